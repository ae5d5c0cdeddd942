"""Conversations and their messages: what a person reads and does.

What the writer of an answer does to its row stands in held_answers.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, delete, func, select, text, update
from sqlalchemy.orm import Session

from jobs.engine.chat.answer_rows import LOST, SILENT_SECONDS, break_silent
from jobs.engine.db import postgres
from jobs.engine.db.models import Conversation, Message, new_id
from jobs.engine.db.records import as_id, owned
from jobs.engine.errors import Conflict, FieldError, InvalidParams, NotFound, TooMany
from jobs.engine.jsonsafe import clean, clean_text

MOST_WRITING = 20  # answers at a time for one person
TITLE_CHARACTERS = 60
LIMITS = {"title": 200, "model": 200, "system": 20_000, "text": 100_000, "collection": 200}


@dataclass(frozen=True)
class ConversationSettings:
    """What a conversation is set to."""

    title: str = ""
    model: str = ""
    system: str = ""
    temperature: float | None = None
    library: bool = False
    collection: str | None = None

    def checked(self) -> dict[str, Any]:
        errors = [
            FieldError(name, f"{name.capitalize()} may have at most {most:,} characters.")
            for name, most in LIMITS.items()
            if name != "text" and len(getattr(self, name) or "") > most
        ]
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            errors.append(FieldError("temperature", "The temperature must be between 0 and 2."))
        if errors:
            raise InvalidParams(errors)
        values = clean(vars(self))
        assert isinstance(values, dict)
        return values


@dataclass(frozen=True)
class Turn:
    """A question with the answer to it, as a page shows them; either may be missing after a cut by hand."""

    question: Message | None
    answer: Message | None
    earlier: list[Message] = field(default_factory=list)  # answers that this one took the place of


@dataclass(frozen=True)
class PendingAnswer:
    """An answer that is to be written, its conversation, and what that held before, as a provider takes it."""

    answer: Message
    talk: Conversation
    said: list[dict[str, str]]


# Reads.


def conversation(conversation_id: str | UUID, owner: str) -> Conversation:
    with postgres.session() as session:
        return owned(session, Conversation, conversation_id, owner)


def turns(conversation_id: UUID) -> list[Turn]:
    """Questions and answers in their order; answers that nobody writes any more are marked so first."""
    break_silent(conversation_id=conversation_id)
    with postgres.session() as session:
        rows = list(session.scalars(_of(conversation_id)))
    found: list[Turn] = []
    replaced: list[Message] = []
    for row in rows:
        if row.role == "user":
            replaced = []
            if row.current:
                found.append(Turn(row, None))
        elif not row.current:
            replaced.append(row)
        elif found and found[-1].answer is None:
            found[-1] = Turn(found[-1].question, row, replaced)
        else:
            found.append(Turn(None, row))
    return found


def answer(answer_id: str | UUID, owner: str) -> Message:
    """One answer as it is now; one that nobody writes any more is marked so first."""
    found = message(answer_id, owner)
    if found.role != "assistant":
        raise NotFound
    if found.state == "writing" and break_silent(answer_id=found.id):
        return message(answer_id, owner)
    return found


def message(message_id: str | UUID, owner: str) -> Message:
    with postgres.session() as session:
        return owned(session, Message, message_id, owner)


def answering_conversations(owner: str) -> set[UUID]:
    """The conversations in which an answer is being written."""
    with postgres.session() as session:
        query = select(Message.conversation_id).where(Message.owner == owner, Message.state == "writing")
        return set(session.scalars(query))


# Writes: what a person does. Those that ask for an answer hand it out before they are committed.


def start(talk: ConversationSettings, owner: str) -> Conversation:
    values = talk.checked()
    with postgres.session() as session:
        made = Conversation(owner=owner, **values)
        session.add(made)
        session.flush()
        session.refresh(made)
    return made


def change(conversation_id: str | UUID, talk: ConversationSettings, owner: str) -> Conversation:
    values = talk.checked()
    with postgres.session() as session:
        found = owned(session, Conversation, conversation_id, owner)
        for name, value in values.items():
            setattr(found, name, value)
    return found


def remove(conversation_id: str | UUID, owner: str) -> None:
    """Delete a conversation and its messages. An answer that is being written finds its row gone and ends."""
    with postgres.session() as session:
        session.execute(
            delete(Conversation).where(Conversation.id == owned(session, Conversation, conversation_id, owner).id)
        )


@contextmanager
def edit(message_id: str | UUID, question: str, owner: str, *, model: str) -> Iterator[PendingAnswer]:
    """Ask a question anew in other words. It and all after it stay in the database, no longer current."""
    text_ = checked_question(question)
    with postgres.session() as session:
        old = owned(session, Message, message_id, owner)
        talk = _free(session, old.conversation_id, owner)
        session.refresh(old)
        if old.role != "user" or not old.current:
            raise Conflict("Only a question that is part of the conversation can be edited.")
        _cut(session, talk.id, old.id)
        yield _begin(session, talk, model, text_)


@contextmanager
def again(answer_id: str | UUID, owner: str, *, model: str) -> Iterator[PendingAnswer]:
    """Another answer to the same question. This one and all after it are no longer current."""
    with postgres.session() as session:
        old = owned(session, Message, answer_id, owner)
        talk = _free(session, old.conversation_id, owner)
        session.refresh(old)
        if old.role != "assistant" or not old.current:
            raise Conflict("Only an answer that is part of the conversation can be asked for again.")
        _cut(session, talk.id, old.id)
        yield _begin(session, talk, model)


@contextmanager
def resume(answer_id: str | UUID, owner: str) -> Iterator[PendingAnswer]:
    """Go on with the last answer where it ended."""
    with postgres.session() as session:
        found = owned(session, Message, answer_id, owner)
        talk = _free(session, found.conversation_id, owner)
        later = select(Message.id).where(Message.conversation_id == talk.id, Message.current, Message.id > found.id)
        if found.role != "assistant" or not found.current or session.scalar(later.limit(1)):
            raise Conflict("Only the last answer of a conversation can go on.")
        values = {"state": "writing", "run": Message.run + 1, "beat_at": func.now(), "stop_asked_at": None}
        blank = dict.fromkeys(("reason", "message", "finished_at"))
        session.execute(update(Message).where(Message.id == found.id).values(**values, **blank))
        session.refresh(found)
        yield PendingAnswer(found, talk, _said(session, talk, found.id))


def ask_stop(answer_id: str | UUID, owner: str) -> Message:
    """Note the wish to stop an answer. One that has ended stays as it is."""
    with postgres.session() as session:
        found = owned(session, Message, answer_id, owner)
        if found.role != "assistant":
            raise NotFound
        asked = func.coalesce(Message.stop_asked_at, func.now())
        wanted = update(Message).where(Message.id == found.id, Message.state == "writing").values(stop_asked_at=asked)
        session.execute(wanted)
        session.refresh(found)
        return found


def _of(conversation_id: UUID) -> Select[Any]:
    return select(Message).where(Message.conversation_id == conversation_id).order_by(Message.id)


def checked_question(question: str) -> str:
    """The question as it is kept. Raises InvalidParams for none, or one that is too long."""
    cleaned = clean_text(question).strip()
    if not cleaned:
        raise InvalidParams([FieldError("message", "Write a message first.")])
    if len(cleaned) > LIMITS["text"]:
        raise InvalidParams([FieldError("message", f"A message may have at most {LIMITS['text']:,} characters.")])
    return cleaned


def refuse_busy(conversation_id: UUID, busy: Collection[UUID]) -> None:
    """Raise Conflict or TooMany where another answer may not be written. busy: of its owner, those where one is."""
    if conversation_id in busy:
        raise Conflict("An answer is being written in this conversation. Stop it or wait for its end, then send again.")
    if len(busy) >= MOST_WRITING:
        raise TooMany(f"{MOST_WRITING} answers are being written for you already. Wait for one to end, or stop one.")


def _free(session: Session, conversation_id: str | UUID, owner: str) -> Conversation:
    """The conversation, locked, with no answer being written in it, and its owner below the cap."""
    session.execute(_ONE_AT_A_TIME, {"owner": f"chat {owner}"})
    found = session.execute(_FREE, {"id": as_id(conversation_id), "owner": owner}).one_or_none()
    if found is None:
        raise NotFound
    talk = found.Conversation
    assert isinstance(talk, Conversation)
    refuse_busy(talk.id, found.busy)
    if found.lost:
        lost = update(Message).where(Message.conversation_id == talk.id, Message.state == "writing")
        session.execute(lost.values(state="broken", reason="writer_lost", message=LOST, finished_at=func.now()))
    return talk


# Somebody waits for the first token, so these say in one trip what could be said in several; questions.py says all in one.

_ONE_AT_A_TIME = text(
    "select pg_advisory_xact_lock(hashtext(:owner))"
)  # the next statement sees what the one before did

_WRITING = select(Message.conversation_id).where(Message.owner == Conversation.owner, Message.state == "writing")
_ALIVE = text(f"messages.beat_at >= now() - interval '{SILENT_SECONDS} s'")
_BUSY = func.array(_WRITING.where(_ALIVE).correlate(Conversation).scalar_subquery())
_LOST = _WRITING.where(Message.conversation_id == Conversation.id).correlate(Conversation).exists()
_FREE: Select[Any] = (
    select(Conversation, _BUSY.label("busy"), _LOST.label("lost"))
    .where(Conversation.id == bindparam("id"), Conversation.owner == bindparam("owner"))
    .with_for_update(of=Conversation)
)

_SAID = text("select role, text from messages where conversation_id = :talk and current and id < :before order by id")

_MAKE = text("""
    with question as (
        insert into messages (id, conversation_id, owner, role, text)
        select :question_id, :talk, :owner, 'user', :question where :question <> ''
    ), talk as (
        update conversations set changed_at = now(), title = :title where id = :talk
    )
    insert into messages (id, conversation_id, owner, role, state, run, beat_at, model)
    values (:id, :talk, :owner, 'assistant', 'writing', 1, now(), :model) returning *
""")


def _cut(session: Session, conversation_id: UUID, first: UUID) -> None:
    """From this message on nothing is current any more."""
    later = update(Message).where(Message.conversation_id == conversation_id, Message.id >= first)
    session.execute(later.values(current=False))


def _begin(session: Session, talk: Conversation, model: str, question: str = "") -> PendingAnswer:
    """An empty answer, with the question before it if there is a new one."""
    question_id, id_ = new_id(), new_id()
    ids = {"question_id": question_id, "id": id_, "talk": talk.id, "owner": talk.owner}
    said = _said(session, talk, id_)
    words = {"question": question, "title": talk.title or title_of(question), "model": talk.model or model}
    answer = session.scalars(select(Message).from_statement(_MAKE), ids | words).one()
    return PendingAnswer(answer, talk, [*said, {"role": "user", "content": question}] if question else said)


def _said(session: Session, talk: Conversation, before: UUID) -> list[dict[str, str]]:
    """The system prompt and the messages that are current, before this one."""
    rows = session.execute(_SAID, {"talk": talk.id, "before": before})
    return prompt_messages(talk, [{"role": row.role, "content": row.text} for row in rows if row.text])


def prompt_messages(talk: Conversation, said: list[dict[str, str]]) -> list[dict[str, str]]:
    """What was said, as a provider takes it: behind the system prompt."""
    return [{"role": "system", "content": talk.system}, *said] if talk.system else said


def title_of(question: str) -> str:
    """What a conversation is called that begins with this question."""
    line = " ".join(question.split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
