"""Conversations in JSON, under /api/v1/chat. An answer is streamed from `stream`, or polled at `url`."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response

from jobs.engine import chat
from jobs.engine.chat import ConversationSettings
from webapp.api.operation import Content, operation
from webapp.api.parameters import AFTER, Limit, Parameter, TextParameter
from webapp.chat import sse
from webapp.chat.records import (
    Answer,
    ConversationFile,
    ConversationFileRead,
    ConversationRecord,
    ConversationRow,
    Conversations,
    ConversationSettingsBody,
    FilePassage,
    NewConversationFile,
    NewQuestion,
)
from webapp.http.guards import current_owner

WORDS = TextParameter("q", "Only conversations with this text.", 200)
LIMIT = Limit("conversations", 200)
TURNS, TURN_BYTES = 200, 2_000_000  # questions with their answers in one response, and about how much text
SEEN = Parameter(
    "Last-Event-ID",
    "How many characters the reader has: the id of the last event. What is no such number counts as 0.",
    {"type": "string"},
    place="header",
)
STREAM = "Server-Sent Events. One without a name has `{at, text, tokens}`: text from an offset on; `end`: how it ended."
BEGUN = "The answer; read its `stream`, or poll its `url`."

blueprint = Blueprint("chat_api", __name__, url_prefix="/api/v1/chat")


@blueprint.get("")
@operation(
    "List your conversations, the last changed first",
    "A page of conversations.",
    Conversations,
    parameters=(WORDS, AFTER, LIMIT),
    problems=(404,),
)
def list_conversations() -> Conversations:
    page = chat.list_conversations(current_owner(), q=WORDS.read(), after=AFTER.read(), limit=LIMIT.read())
    return Conversations(conversations=[ConversationRow.of(row) for row in page.rows], next=page.next)


@blueprint.post("")
@operation(
    "Create a conversation", "The conversation is stored.", ConversationRow, status=201, body=ConversationSettingsBody
)
def create_conversation(body: ConversationSettingsBody) -> ConversationRow:
    settings = ConversationSettings(**body.model_dump(exclude_unset=True))
    return ConversationRow.of(chat.start_conversation(settings, owner=current_owner()))


@blueprint.get("/<conversation_id>")
@operation("Show a conversation and its last messages", "The conversation.", ConversationRecord, parameters=(AFTER,))
def show_conversation(conversation_id: str) -> ConversationRecord:
    talk = chat.conversation(conversation_id, current_owner())
    page = chat.turns(talk.id, upto=AFTER.read(), most=TURNS, size=TURN_BYTES)
    return ConversationRecord.with_messages(talk, page.rows, page.next, chat.list_attachments(talk.id))


@blueprint.patch("/<conversation_id>")
@operation(
    "Change the settings of a conversation",
    "The conversation as it is now.",
    ConversationRow,
    body=ConversationSettingsBody,
    lookup=chat.conversation,
)
def change_conversation(conversation_id: str, body: ConversationSettingsBody) -> ConversationRow:
    owner = current_owner()
    talk = chat.conversation(conversation_id, owner)
    before = {name: getattr(talk, name) for name in ConversationSettingsBody.model_fields}
    settings = ConversationSettings(**before | body.model_dump(exclude_unset=True))
    return ConversationRow.of(chat.change_conversation(conversation_id, settings, owner=owner))


@blueprint.delete("/<conversation_id>")
@operation("Delete a conversation", "The conversation is deleted.")
def delete_conversation(conversation_id: str) -> None:
    chat.delete_conversation(conversation_id, owner=current_owner())


@blueprint.post("/<conversation_id>/messages")
@operation(
    "Ask a question; its answer is begun",
    BEGUN,
    Answer,
    status=202,
    body=NewQuestion,
    lookup=chat.conversation,
    problems=(409, 429),
)
def ask(conversation_id: str, body: NewQuestion) -> Answer:
    return Answer.of(chat.ask(conversation_id, body.text, owner=current_owner()))


@blueprint.post("/<conversation_id>/files")
@operation(
    "Attach a file to a conversation, which answers from it from then on",
    "The file was read.",
    ConversationFile,
    status=201,
    body=NewConversationFile,
    lookup=chat.conversation,
    problems=(429,),
)
def attach_file(conversation_id: str, body: NewConversationFile) -> ConversationFile:
    return ConversationFile.of(chat.attach_files(conversation_id, [body.file], owner=current_owner())[0])


@blueprint.get("/files/<attachment_id>")
@operation("Show a file of a conversation, as it was read", "The file and its passages.", ConversationFileRead)
def show_attached_file(attachment_id: str) -> ConversationFileRead:
    found = chat.attachment(attachment_id, current_owner())
    passages = [FilePassage.of(one) for one in chat.attachment_passages(found)]
    return ConversationFileRead.of(found, text=passages)


@blueprint.delete("/files/<attachment_id>")
@operation("Detach a file from its conversation", "The conversation does not answer from the file any more.")
def detach_file(attachment_id: str) -> None:
    chat.detach_file(attachment_id, owner=current_owner())


@blueprint.get("/answers/<answer_id>")
@operation("Show an answer as it is now", "The answer.", Answer)
def show_answer(answer_id: str) -> Answer:
    return Answer.of(chat.answer_status(answer_id, owner=current_owner()))


@blueprint.get("/answers/<answer_id>/stream")
@operation(
    "Read an answer while it is written, from any place on",
    STREAM,
    Content("text/event-stream", {"type": "string"}),
    parameters=(SEEN,),
    problems=(429,),
)
def read_answer(answer_id: str) -> Response:
    return sse.respond(answer_id)


@blueprint.post("/answers/<answer_id>/stop")
@operation("Stop an answer", "The answer was asked to stop.", Answer, status=202)
def stop_answer(answer_id: str) -> Answer:
    return Answer.of(chat.stop_answer(answer_id, owner=current_owner()))


@blueprint.post("/answers/<answer_id>/again")
@operation("Ask for another answer to the same question", BEGUN, Answer, status=202, problems=(409, 429))
def ask_again(answer_id: str) -> Answer:
    return Answer.of(chat.ask_again(answer_id, owner=current_owner()))


@blueprint.post("/answers/<answer_id>/continue")
@operation("Continue the last answer of a conversation", BEGUN, Answer, status=202, problems=(409, 429))
def continue_answer(answer_id: str) -> Answer:
    return Answer.of(chat.continue_answer(answer_id, owner=current_owner()))
