"""Conversations and their messages: what a person reads and changes.

What the writer of an answer does to its row is in answer_rows.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update

from jobs.engine.chat.answer_rows import break_silent
from jobs.engine.db import postgres
from jobs.engine.db.models import Conversation, Message
from jobs.engine.db.records import Page, as_id, owned
from jobs.engine.errors import FieldError, InvalidParams, NotFound
from jobs.engine.jsonsafe import clean

PAGE_BYTES = 300_000  # of text in a page of messages; its last turn may be longer
ROWS_FOR_TURN = 20  # that are looked at, on average: answers that were asked for again are rows too
EARLIER_ANSWERS = 10  # shown with a question
MessageSize = tuple[UUID, str, bool, int]  # id, role, whether it is current, bytes
LIMITS = {"title": 200, "model": 200, "system": 20_000, "collection": 200}


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
            if len(getattr(self, name) or "") > most
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


# Reads.


def conversation(conversation_id: str | UUID, owner: str) -> Conversation:
    with postgres.session() as session:
        return owned(session, Conversation, conversation_id, owner)


def turns(conversation_id: UUID, *, upto: str | UUID | None = None, most: int, size: int = PAGE_BYTES) -> Page[Turn]:
    """The last questions and answers, or those up to a message, in their order: `most` of them, fewer where they are long.

    `next` is the message to ask up to for those before, `previous` the last one of all where these are not the last.
    Answers that nobody writes any more are marked so first.
    """
    break_silent(conversation_id=conversation_id)
    here = Message.conversation_id == conversation_id
    sizes = select(Message.id, Message.role, Message.current, func.octet_length(Message.text)).where(here)
    later = select(Message.id).where(here, Message.id > as_id(upto)) if upto is not None else None
    if upto is not None:
        sizes = sizes.where(Message.id <= as_id(upto))
    with postgres.session() as session:
        last = sizes.order_by(Message.id.desc()).limit(ROWS_FOR_TURN * most + 1)
        shown, before = _last_turns(session.execute(last).all(), most, size)
        found = _turns(session.scalars(select(Message).where(Message.id.in_(shown)).order_by(Message.id)))
        newest = None if later is None else session.scalar(later.order_by(Message.id.desc()).limit(1))
    return Page(found, str(before) if before else None, str(newest) if newest else None)


def _last_turns(rows: Sequence[MessageSize], most: int, size: int) -> tuple[set[UUID], UUID | None]:
    """Of rows, the last ones first, the messages of the first few turns, and the row that comes after them."""
    shown: set[UUID] = set()
    answers: list[UUID] = []  # since the last question, with those that others took the place of
    count = used = 0
    for place, (id, role, current, length) in enumerate(rows):
        if place == ROWS_FOR_TURN * most or (count and (count == most or used > size)):
            return (shown, answers[0]) if count and answers else (shown | set(answers), id)
        if role != "user":
            if current or len(answers) <= EARLIER_ANSWERS:  # the current one is among them
                answers.append(id)
                used += length
            continue
        if current:
            shown |= {id, *answers}
            count += 1
            used += length
        answers = []
    return shown | set(answers), None


def _turns(rows: Iterable[Message]) -> list[Turn]:
    found: list[Turn] = []
    replaced: list[Message] = []
    for row in rows:
        if row.role == "user":
            replaced = []
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


# Writes: what a person changes. Questions are in questions.py.


def start_conversation(settings: ConversationSettings, owner: str) -> Conversation:
    values = settings.checked()
    with postgres.session() as session:
        made = Conversation(owner=owner, **values)
        session.add(made)
        session.flush()
        session.refresh(made)
    return made


def change_conversation(conversation_id: str | UUID, settings: ConversationSettings, owner: str) -> Conversation:
    values = settings.checked()
    with postgres.session() as session:
        found = owned(session, Conversation, conversation_id, owner)
        for name, value in values.items():
            setattr(found, name, value)
    return found


def delete_conversation(conversation_id: str | UUID, owner: str) -> None:
    """Delete a conversation and its messages. An answer that is being written finds its row gone and ends."""
    with postgres.session() as session:
        found = owned(session, Conversation, conversation_id, owner)
        session.execute(delete(Conversation).where(Conversation.id == found.id))


def ask_stop(answer_id: str | UUID, owner: str) -> Message:
    """Note in the row that an answer should stop. One that has ended stays as it is."""
    with postgres.session() as session:
        found = owned(session, Message, answer_id, owner)
        if found.role != "assistant":
            raise NotFound
        asked = func.coalesce(Message.stop_asked_at, func.now())
        wanted = update(Message).where(Message.id == found.id, Message.state == "writing").values(stop_asked_at=asked)
        session.execute(wanted)
        session.refresh(found)
        return found
