"""Conversations, questions and answers, as the API takes and shows them."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import AliasChoices, Field

from jobs.engine.chat import LIMITS, LONGEST_QUESTION, Turn
from jobs.engine.db.models import Attachment, Conversation, Message
from webapp.api.records import Body, Located, Moment, Next, Record, Whole, left_out, limits, one_of

STATES = ("writing", "done", "stopped", "broken", "failed")

_MODEL = Field(description="The model that answers; the default one if it is empty.")
_SYSTEM = Field(description="What the model is told before the first message.")
_LIBRARY = Field(description="Whether each question gets passages of your documents, which its answer cites.")
_COLLECTION = Field(description="The passages come from this collection only.")


class ConversationSettingsBody(Body):
    """The settings of a conversation. What is left out stays as it is."""

    title: Annotated[str, Field(max_length=LIMITS["title"])] = left_out("")
    model: Annotated[str, Field(max_length=LIMITS["model"]), _MODEL] = left_out("")
    system: Annotated[str, Field(max_length=LIMITS["system"]), _SYSTEM] = left_out("")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = left_out(None)
    library: Annotated[bool, _LIBRARY] = left_out(False)
    collection: Annotated[Annotated[str, Field(max_length=LIMITS["collection"])] | None, _COLLECTION] = left_out(None)


class ConversationRow(Located):
    """A conversation without its messages."""

    ADDRESS: ClassVar[str] = "/api/v1/chat/{row.id}"

    id: UUID
    title: Annotated[str, limits(maxLength=LIMITS["title"])]
    model: Annotated[str, limits(maxLength=LIMITS["model"]), _MODEL]
    system: Annotated[str, limits(maxLength=LIMITS["system"]), _SYSTEM]
    temperature: Annotated[float, limits(minimum=0, maximum=2)] | None
    library: Annotated[bool, _LIBRARY]
    collection: Annotated[Annotated[str, limits(maxLength=LIMITS["collection"])] | None, _COLLECTION]
    created_at: Moment
    changed_at: Moment


class Conversations(Record):
    """A page of conversations."""

    conversations: list[ConversationRow]
    next: Next


class ConversationFile(Located):
    """A file that a conversation answers from."""

    ADDRESS: ClassVar[str] = "/api/v1/chat/files/{row.id}"

    id: UUID
    conversation: Annotated[UUID, Field(validation_alias="conversation_id")]
    file: Annotated[
        UUID | None,
        Field(validation_alias="file_id", description="The upload; null for a sample, or once the upload is deleted."),
    ]
    name: str
    media_type: str
    passages: Annotated[Whole, Field(description="How many passages it was cut into.")]
    created_at: Moment


class FilePassage(Record):
    """A passage of a file. `place` is where it stands: the headings above it, or its page."""

    position: Whole
    place: Annotated[str, Field(validation_alias="headings")]
    text: str


class ConversationFileRead(ConversationFile):
    """A file that a conversation answers from, with its passages."""

    text: list[FilePassage]


class Source(Record):
    """A passage that the model was given with the question. It comes from a document or from a file."""

    document_id: UUID | None
    file_id: UUID | None
    title: str
    text: str
    place: str
    position: Whole
    score: float


class Question(Record):
    """A question."""

    id: UUID
    role: Annotated[str, one_of(("user", "assistant"))]
    text: str
    created_at: Moment


class AnswerEnd(Record):
    """The state of an answer, without its text."""

    state: Annotated[str, one_of(STATES)]
    reason: Annotated[str | None, Field(description="Why the state is so, as a word.")]
    message: Annotated[str | None, Field(description="Why the state is so, as a sentence.")]
    model: str
    prompt_tokens: Whole | None
    tokens: Annotated[Whole | None, Field(validation_alias="completion_tokens")]
    seconds: float | None
    first_token_seconds: float | None
    tokens_per_second: Annotated[float | None, Field(description="Since the first token.")]
    finished_at: Moment | None

    @classmethod
    def of(cls, row: Message, **more: object) -> Self:
        return super().of(row, tokens_per_second=tokens_per_second(row), **more)


class Answer(Question, AnswerEnd, Located):
    """An answer. Read it from `stream` while it is written, or poll `url`."""

    ADDRESS: ClassVar[str] = "/api/v1/chat/answers/{row.id}"

    conversation: Annotated[UUID, Field(validation_alias="conversation_id")]
    reasoning: Annotated[str | None, Field(description="What the model thought before its answer, where it said so.")]
    sources: list[Source]
    stream: str

    @classmethod
    def of(cls, row: Message, **more: object) -> Self:
        stream = f"/api/v1/chat/answers/{row.id}/stream"
        return super().of(row, sources=row.sources or [], stream=stream, **more)


class ConversationRecord(ConversationRow):
    """A conversation with its files and its last messages; `next` goes into `after=` for those before."""

    files: list[ConversationFile]
    messages: list[Answer | Question]
    next: Next

    @classmethod
    def with_messages(
        cls, row: Conversation, turns: Sequence[Turn], next: str | None, files: Sequence[Attachment]
    ) -> Self:
        messages = [part for turn in turns for part in (turn.question, turn.answer) if part is not None]
        said = [Answer.of(one) if one.role == "assistant" else Question.of(one) for one in messages]
        return cls.of(row, messages=said, next=next, files=[ConversationFile.of(one) for one in files])


class NewQuestion(Body):
    """A question, as `text`; clients that call it `message` or `content` are understood too."""

    text: str = Field(
        min_length=1, max_length=LONGEST_QUESTION, validation_alias=AliasChoices("text", "message", "content")
    )


class NewConversationFile(Body):
    """A file that a conversation is to answer from."""

    file: Annotated[str, limits(format="uuid"), Field(description="The id of an upload or an output of yours.")]


def tokens_per_second(answer: Message) -> float | None:
    """Since the first token, which is when the model began to write."""
    if not answer.completion_tokens or answer.seconds is None:
        return None
    writing = answer.seconds - (answer.first_token_seconds or 0)
    return float(round(answer.completion_tokens / writing, 1)) if writing > 0.01 else None
