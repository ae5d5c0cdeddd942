"""Conversations in JSON, under /api/v1/chat. An answer is streamed from `stream`, or polled at `url`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from jobs.engine import chat
from jobs.engine.chat import ConversationSettings
from webapp.api import serializers
from webapp.chat import sse
from webapp.http import parsing
from webapp.http.guards import current_owner

blueprint = Blueprint("chat_api", __name__, url_prefix="/api/v1/chat")
_WORDS = ("text", "message", "content")  # what clients call what is said; one of them
_SETTINGS: dict[str, tuple[type, ...]] = {
    "title": (str,),
    "model": (str,),
    "system": (str,),
    "temperature": (int, float, type(None)),
    "library": (bool,),
    "collection": (str, type(None)),
}


@blueprint.get("")
def index() -> Response:
    limit = parsing.whole_number("limit", 50, 1, 200)
    q, after = parsing.text("q", 200), parsing.text("after", 200)
    page = chat.list_conversations(current_owner(), q=q, after=after, limit=limit)
    return jsonify(conversations=[serializers.conversation_row(row) for row in page.rows], next=page.next)


@blueprint.post("")
def create() -> Response:
    talk = chat.start_conversation(_talk(ConversationSettings()), owner=current_owner())
    return _at(serializers.conversation_row(talk), 201)


@blueprint.get("/<id>")
def show(id: str) -> Response:
    talk = chat.conversation(id, current_owner())
    return jsonify(serializers.conversation_whole(talk, chat.turns(talk.id), chat.list_attachments(talk.id)))


@blueprint.patch("/<id>")
def change(id: str) -> Response:
    talk = chat.conversation(id, current_owner())
    before = ConversationSettings(**{name: getattr(talk, name) for name in _SETTINGS})
    return jsonify(serializers.conversation_row(chat.change_conversation(id, _talk(before), owner=current_owner())))


@blueprint.delete("/<id>")
def delete(id: str) -> Response:
    chat.delete_conversation(id, owner=current_owner())
    return Response(status=204)


@blueprint.post("/<id>/messages")
def ask(id: str) -> Response:
    body = parsing.fields(parsing.json_object(), dict.fromkeys(_WORDS, str))
    if len(body) != 1:
        raise parsing.invalid("text", "text must be the message, as a text.")
    return _accepted(chat.ask(id, *body.values(), owner=current_owner()))


@blueprint.post("/<id>/files")
def attach(id: str) -> Response:
    """Let it answer from a file too: an upload or an output, by its id."""
    file = parsing.fields(parsing.json_object(), {"file": str}, required=("file",))["file"]
    return _at(serializers.attachment(chat.attach_files(id, [file], owner=current_owner())[0]), 201)


@blueprint.get("/files/<id>")
def file(id: str) -> Response:
    found = chat.attachment(id, current_owner())
    return jsonify(serializers.attachment_whole(found, chat.attachment_passages(found)))


@blueprint.delete("/files/<id>")
def detach(id: str) -> Response:
    chat.detach_file(id, owner=current_owner())
    return Response(status=204)


@blueprint.get("/answers/<id>")
def answer(id: str) -> Response:
    return jsonify(serializers.message(chat.answer_status(id, owner=current_owner())))


@blueprint.get("/answers/<id>/stream")
def stream(id: str) -> Response:
    return sse.respond(id)


@blueprint.post("/answers/<id>/stop")
def stop(id: str) -> Response:
    return _accepted(chat.stop_answer(id, owner=current_owner()))


@blueprint.post("/answers/<id>/again")
def again(id: str) -> Response:
    return _accepted(chat.ask_again(id, owner=current_owner()))


@blueprint.post("/answers/<id>/continue")
def go_on(id: str) -> Response:
    return _accepted(chat.continue_answer(id, owner=current_owner()))


def _accepted(answer: Any) -> Response:
    return _at(serializers.message(answer), 202)


def _at(body: dict[str, Any], status: int) -> Response:
    response = jsonify(body)
    response.status_code = status
    response.headers["Location"] = body["url"]
    return response


def _talk(before: ConversationSettings) -> ConversationSettings:
    """The settings in the body, over those before. Raises InvalidParams for a name or type that is none."""
    body = parsing.json_object()
    for name, value in body.items():
        if name not in _SETTINGS:
            raise parsing.invalid(
                parsing.printable(name), f"There is no setting of that name; there are {', '.join(_SETTINGS)}."
            )
        if not isinstance(value, _SETTINGS[name]) or (isinstance(value, bool) and bool not in _SETTINGS[name]):
            raise parsing.invalid(name, f"{name} is of the wrong type.")
    return ConversationSettings(**vars(before) | body)
