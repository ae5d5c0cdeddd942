"""The pages of conversations: ask, watch the answer being written, stop it, ask again. No job, no worker."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, cast
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Response, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs.engine import chat, kinds, library, llm
from jobs.engine import files as engine_files
from jobs.engine.chat import ConversationSettings
from jobs.engine.errors import BadInput, Conflict, FieldError, InvalidParams, NotFound, TooLarge, TooMany
from webapp.chat import citations, sse
from webapp.chat.records import Answer, tokens_per_second
from webapp.http.guards import current_owner
from webapp.ui import markdown

blueprint = Blueprint("chat", __name__, url_prefix="/chat")
LISTED = 40
TURNS = 20  # questions with their answers on a page
BULK = "generate_texts"  # the kind that does for a whole table what a conversation does once
REFUSALS = (InvalidParams, BadInput, TooLarge, Conflict, TooMany)  # what is said beside the message, which is kept
_STATUSES = {"conflict": 409, "too_many": 429}
LONGEST_LINK = 4_000  # characters of a prompt that go along in an address


@blueprint.get("")
def index() -> str:
    """The conversations, and an empty one to begin with."""
    return render_template("chat/page.html", **_page(None))


@blueprint.post("")
def create() -> ResponseReturnValue:
    """A new conversation and its first question."""
    message, owner = request.form.get("message", ""), current_owner()
    try:
        talk = chat.begin_conversation(_talk(), message, _uploads(), owner=owner)
    except REFUSALS as error:
        return _refused(None, error)
    return redirect(f"/chat/{talk.id}#end", 303)


@blueprint.get("/<id>")
def show(id: str) -> str:
    return render_template("chat/page.html", **_page(chat.conversation(id, current_owner())))


@blueprint.post("/<id>/messages")
def ask(id: str) -> ResponseReturnValue:
    """A question. A script gets the answer's addresses and the two messages as HTML, anybody else the page."""
    try:
        uploads = _uploads_for(id) if request.files else []
        answer = chat.ask(id, request.form.get("message", ""), owner=current_owner())
    except REFUSALS as error:
        if _by_script():
            raise
        return _refused(chat.conversation(id, current_owner()), error)
    if not _by_script():
        return redirect(f"/chat/{id}#end", 303)
    [turn] = chat.turns(answer.conversation_id, upto=answer.id, most=1).rows
    html = render_template("chat/_turn.html", turn=turn, **_words())
    files = (
        render_template("chat/_files.html", files=chat.list_attachments(answer.conversation_id)) if uploads else None
    )
    response = jsonify(answer=str(answer.id), stream=f"/chat/answers/{answer.id}/stream", html=html, files=files)
    response.status_code = 202
    return response


@blueprint.post("/messages/<id>/edit")
def edit(id: str) -> ResponseReturnValue:
    """Ask a question in other words."""
    answer = chat.edit_question(id, request.form.get("message", ""), owner=current_owner())
    return redirect(f"/chat/{answer.conversation_id}#end", 303)


@blueprint.get("/files/<id>")
def file(id: str) -> str:
    """A file that a conversation answers from, as it was read: what its citations lead to."""
    found = chat.attachment(id, current_owner())
    talk = chat.conversation(found.conversation_id, current_owner())
    passages = chat.attachment_passages(found)
    return render_template("chat/file.html", file=found, talk=talk, passages=passages, cited=_cited(found.id))


def _cited(file_id: UUID) -> Callable[[Any], citations.Cited]:
    """Marks the sentence of a passage that `?answer=` cites as `?source=`, if it cites one of this file."""
    number = request.args.get("source", "")
    answer = None
    if number.isascii() and number.isdigit() and len(number) < 4:
        with suppress(NotFound):
            answer = chat.answer_status(request.args.get("answer", ""), owner=current_owner())
    sources = (answer.sources or []) if answer else []
    source = sources[int(number) - 1] if answer and 0 < int(number) <= len(sources) else {}

    def mark(passage: Any) -> citations.Cited:
        if answer is None or source.get("file_id") != str(file_id) or source.get("position") != passage.position:
            return citations.Cited(passage.text, "", "")
        return citations.cited(passage.text, answer.text, int(number))

    return mark


@blueprint.post("/files/<id>/delete")
def detach(id: str) -> ResponseReturnValue:
    found = chat.detach_file(id, owner=current_owner())
    return redirect(f"/chat/{found.conversation_id}", 303)


@blueprint.get("/answers/<id>")
def answer(id: str) -> ResponseReturnValue:
    """One answer as its page shows it, for a script; anybody else gets the page."""
    found = chat.answer_status(id, owner=current_owner())
    if _by_script():
        return render_template("chat/_answer.html", answer=found, last=True, **_words())
    return redirect(f"/chat/{found.conversation_id}?upto={found.id}#answer-{found.id}", 303)


@blueprint.get("/answers/<id>/stream")
def stream(id: str) -> Response:
    return sse.respond(id, painted="plain" not in request.args)


@blueprint.post("/answers/<id>/stop")
def stop(id: str) -> ResponseReturnValue:
    found = chat.stop_answer(id, owner=current_owner())
    if _by_script():
        return jsonify(Answer.of(found).model_dump(mode="json")), 202
    return redirect(f"/chat/{found.conversation_id}#end", 303)


@blueprint.post("/answers/<id>/again")
def again(id: str) -> ResponseReturnValue:
    """Another answer to the same question."""
    return redirect(f"/chat/{chat.ask_again(id, owner=current_owner()).conversation_id}#end", 303)


@blueprint.post("/answers/<id>/continue")
def go_on(id: str) -> ResponseReturnValue:
    return redirect(f"/chat/{chat.continue_answer(id, owner=current_owner()).conversation_id}#end", 303)


@blueprint.post("/<id>/settings")
def change(id: str) -> ResponseReturnValue:
    """Its name, model, system prompt, temperature and sources."""
    chat.change_conversation(id, _talk(), owner=current_owner())
    return redirect(f"/chat/{id}", 303)


@blueprint.post("/<id>/delete")
def delete(id: str) -> ResponseReturnValue:
    chat.delete_conversation(id, owner=current_owner())
    return redirect("/chat", 303)


def _page(talk: Any | None) -> dict[str, Any]:
    owner, q = current_owner(), request.args.get("q", "").strip()[:200]
    turns, earlier, later = _turns(talk)
    last = turns[-1].answer if turns and not later else None
    return {
        "talk": talk,
        "turns": turns,
        "earlier": earlier,
        "later": later,
        "writing": last if last and last.state == "writing" else None,
        "files": chat.list_attachments(talk.id) if talk and talk.attached else [],
        "talks": chat.list_conversations(owner, q=q, after=_after(owner), limit=LISTED),
        "answering": chat.answering_conversations(owner),
        "q": q,
        "models": llm.models(),
        "missing": llm.setup_error(),
        "collections": [collection.name for collection in library.collections(owner)],
        "bulk": _bulk(talk, turns),
        **_words(),
    }


def _turns(talk: Any | None) -> tuple[list[chat.Turn], str | None, str | None]:
    """The last turns, or those up to the message in the address; the cursor of those before, and whether there are later."""
    if talk is None:
        return [], None, None
    page = chat.turns(talk.id, upto=request.args.get("upto") or None, most=TURNS)
    return page.rows, page.next, page.previous


def _words() -> dict[str, Any]:
    return {
        "render": markdown.render,
        "pace": tokens_per_second,
        "draft": "",
        "refusal": None,
        "most_text": chat.MOST_ATTACHED_TEXT,
    }


def _after(owner: str) -> str | None:
    """The cursor of the address, unless its conversation is gone."""
    after = request.args.get("after")
    try:
        return str(chat.conversation(after, owner).id) if after else None
    except NotFound:
        return None


def _refused(talk: Any | None, error: Any) -> ResponseReturnValue:
    """The page again, with what was written and why it was not sent."""
    page = _page(talk) | {"draft": request.form.get("message", ""), "refusal": error.message}
    if talk is None:
        page["given"] = request.form.to_dict()
    return render_template("chat/page.html", **page), _STATUSES.get(error.reason, 422)


def _uploads_for(id: str) -> list[str]:
    """The files that come with a message, read for this conversation."""
    chat.conversation(id, current_owner())  # nothing is kept for one that is not theirs
    uploads = _uploads()
    if uploads:
        chat.attach_files(id, uploads, owner=current_owner())
    return uploads


def _uploads() -> list[str]:
    """The files that come with a message, kept like every upload; their ids."""
    sent = [part for part in request.files.getlist("files") if part.filename]
    return [
        str(engine_files.upload(cast(BinaryIO, part.stream), part.filename or "", owner=current_owner()).id)
        for part in sent
    ]


def _by_script() -> bool:
    return request.headers.get("X-Requested-With") == "chat.js"


def _talk() -> ConversationSettings:
    form = request.form
    return ConversationSettings(
        title=form.get("title", "").strip(),
        model=form.get("model", "").strip(),
        system=form.get("system", "").strip(),
        temperature=_temperature(form.get("temperature", "").strip()),
        library="library" in form,
        collection=form.get("collection", "").strip() or None,
    )


def _temperature(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise InvalidParams(
            [FieldError("temperature", "The temperature must be a number between 0 and 2, such as 0.7.")]
        )
    return value


def _bulk(talk: Any | None, turns: list[Any]) -> str | None:
    """The address of the bulk form with this conversation's last question in it."""
    question = next((turn.question.text for turn in reversed(turns) if turn.question), None)
    if question is None or not any(kind.name == BULK and kind.available for kind in kinds.kinds()):
        return None
    prompt = question[:LONGEST_LINK].replace("{", "{{").replace("}", "}}")  # there a brace begins a column's name
    given = {"prompt": prompt, "system": talk.system[:LONGEST_LINK] if talk else ""}
    return f"/kinds/{BULK}?{urlencode({name: text for name, text in given.items() if text})}"
