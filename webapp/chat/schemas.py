"""Conversations in the description of the API."""

from __future__ import annotations

from webapp.api.schemas import TEXT, Schema, maybe, operation, parameter, ref, takes

_ID: Schema = {"type": "string", "format": "uuid"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number"}
_STATES = ("writing", "done", "stopped", "broken", "failed")

_SETTINGS: Schema = {
    "title": {"type": "string", "maxLength": 200},
    "model": {"type": "string", "maxLength": 200, "description": "Empty: the default one."},
    "system": {
        "type": "string",
        "maxLength": 20_000,
        "description": "What the model is told before the first message.",
    },
    "temperature": maybe({"type": "number", "minimum": 0, "maximum": 2}),
    "library": {"type": "boolean", "description": "Give each question passages of your documents, and cite them."},
    "collection": maybe({"type": "string", "maxLength": 200}),
}
_CONVERSATION: Schema = {"id": _ID, **_SETTINGS, "created_at": _MOMENT, "changed_at": _MOMENT, "url": TEXT}
_ENDED: Schema = {
    "state": {"enum": list(_STATES)},
    "reason": maybe(TEXT),
    "message": maybe(TEXT),
    "model": TEXT,
    "prompt_tokens": maybe(_WHOLE),
    "tokens": maybe(_WHOLE),
    "seconds": maybe(_NUMBER),
    "first_token_seconds": maybe(_NUMBER),
    "tokens_per_second": maybe(_NUMBER),
    "finished_at": maybe(_MOMENT),
}
_SAID: Schema = {"id": _ID, "role": {"enum": ["user", "assistant"]}, "text": TEXT, "created_at": _MOMENT}
_SOURCE: Schema = {
    "document_id": maybe(_ID),
    "file_id": maybe(_ID),
    "title": TEXT,
    "text": TEXT,
    "place": TEXT,
    "position": _WHOLE,
    "score": _NUMBER,
}
_FILE: Schema = {
    "id": _ID,
    "conversation": _ID,
    "file": maybe(_ID),
    "name": TEXT,
    "media_type": TEXT,
    "passages": _WHOLE,
    "created_at": _MOMENT,
    "url": TEXT,
}
_PASSAGE: Schema = {"position": _WHOLE, "place": TEXT, "text": TEXT}
_ANSWER: Schema = {
    **_SAID,
    **_ENDED,
    "conversation": _ID,
    "sources": {"type": "array", "items": {"type": "object", "required": list(_SOURCE), "properties": _SOURCE}},
    "url": TEXT,
    "stream": TEXT,
}


def _object(properties: Schema, required: bool = True) -> Schema:
    return {"type": "object", "properties": properties} | ({"required": list(properties)} if required else {})


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


RECORDS: Schema = {
    "ConversationSettings": _object(_SETTINGS, required=False) | {"additionalProperties": False},
    "ConversationRow": _object(_CONVERSATION),
    "Conversations": _object({"conversations": _list(ref("ConversationRow")), "next": maybe(TEXT)}),
    "Conversation": _object(
        {
            **_CONVERSATION,
            "files": _list(ref("ConversationFile")),
            "messages": _list({"anyOf": [ref("Answer"), ref("Question")]}),
        }
    ),
    "ConversationFile": _object(_FILE),
    "ConversationFileRead": _object({**_FILE, "text": _list(_object(_PASSAGE))}),
    "Question": _object(_SAID),
    "Answer": _object(_ANSWER),
}
PARAMETERS: Schema = {
    name: {"name": name, "in": "path", "required": True, "description": text, "schema": TEXT}
    for name, text in (
        ("conversation", "The id of a conversation."),
        ("answer", "The id of an answer."),
        ("attachment", "The id of a file of a conversation; not that of the upload."),
    )
} | {
    "seen": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "How many characters the reader has already; the id of the last event. What makes no sense is 0.",
        "schema": TEXT,
    }
}


def _answered(text: str, schema: str) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": ref(schema)}}}


_LOCATED = {"headers": {"Location": {"description": "Its address.", "schema": TEXT}}}
_BEGUN = {"202": _answered("The answer; read its `stream`, or poll its `url`.", "Answer") | _LOCATED}
_STREAM = {
    "description": "Server-Sent Events. Without a name: `{at, text, tokens}`, text from an offset on; `end`: how it ended.",
    "content": {"text/event-stream": {"schema": TEXT}},
}
_ATTACHED = _object({"file": {**_ID, "description": "The id of an upload or an output of yours."}})
_ASKED = _object({"text": {"type": "string", "minLength": 1, "maxLength": 100_000}})

PATHS: Schema = {
    "/chat": {
        "get": operation(
            "list_conversations", "Your conversations, the last changed first",
            {"200": _answered("A page of them.", "Conversations")}, 404, 422,
            parameters=[parameter(name) for name in ("q", "after", "limit")],
        ),
        "post": operation(
            "create_conversation", "Begin a conversation",
            {"201": _answered("It is kept.", "ConversationRow") | _LOCATED}, requestBody=takes(ref("ConversationSettings")),
        ),
    },
    "/chat/{conversation}": {
        "get": operation("show_conversation", "A conversation and its messages", {"200": _answered("It.", "Conversation")}, 404),
        "patch": operation(
            "change_conversation", "Other settings",
            {"200": _answered("As it is now.", "ConversationRow")}, 404, requestBody=takes(ref("ConversationSettings")),
        ),
        "delete": operation("delete_conversation", "Delete it", {"204": {"description": "It is gone."}}, 404),
        "parameters": [parameter("conversation")],
    },
    "/chat/{conversation}/messages": {
        "post": operation("ask", "Ask, and have the answer begun", _BEGUN, 404, 409, 429, requestBody=takes(_ASKED)),
        "parameters": [parameter("conversation")],
    },
    "/chat/{conversation}/files": {
        "post": operation(
            "attach_file", "Answer from a file too",
            {"201": _answered("It was read.", "ConversationFile") | _LOCATED}, 404, 429, requestBody=takes(_ATTACHED),
        ),
        "parameters": [parameter("conversation")],
    },
    "/chat/files/{attachment}": {
        "get": operation(
            "show_attached_file", "A file of a conversation, as it was read",
            {"200": _answered("It, with its passages.", "ConversationFileRead")}, 404,
        ),
        "delete": operation("detach_file", "Answer from it no more", {"204": {"description": "It is gone."}}, 404),
        "parameters": [parameter("attachment")],
    },
    "/chat/answers/{answer}": {
        "get": operation("show_answer", "An answer as it is now", {"200": _answered("The answer.", "Answer")}, 404),
        "parameters": [parameter("answer")],
    },
    "/chat/answers/{answer}/stream": {
        "get": operation(
            "read_answer", "An answer as it is written, from any place on", {"200": _STREAM}, 404, 429,
            parameters=[parameter("seen")],
        ),
        "parameters": [parameter("answer")],
    },
    "/chat/answers/{answer}/stop": {
        "post": operation(
            "stop_answer", "Stop an answer", {"202": _answered("The stop is asked for.", "Answer") | _LOCATED}, 404, 413
        ),
        "parameters": [parameter("answer")],
    },
    "/chat/answers/{answer}/again": {
        "post": operation("ask_again", "Another answer to the same question", _BEGUN, 404, 409, 413, 429),
        "parameters": [parameter("answer")],
    },
    "/chat/answers/{answer}/continue": {
        "post": operation("continue_answer", "Go on with the last answer", _BEGUN, 404, 409, 413, 429),
        "parameters": [parameter("answer")],
    },
}  # fmt: skip
