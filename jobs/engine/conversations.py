"""Conversations and their messages: what a person reads and does.

What the writer of an answer does to its row stands in held_answers.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, or_, select, text, tuple_, update
from sqlalchemy.orm import Session

from jobs.engine import database
from jobs.engine.errors import Conflict, FieldError, InvalidParams, NotFound, TooMany
from jobs.engine.held_answers import LOST, SILENT_SECONDS, break_silent
from jobs.engine.jsonsafe import clean, clean_text
from jobs.engine.models import Conversation, Message, new_id
from jobs.engine.records import Page, as_id, escaped, owned

MOST_WRITING = 20  # answers at a time for one person
TITLE_CHARACTERS = 60
LIMITS = {"title": 200, "model": 200, "system": 20_000, "text": 100_000, "collection": 200}


@dataclass(frozen=True)
class Talk:
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


# Reads.


def conversations(owner: str, *, q: str | None = None, after: str | None = None, limit: int = 50) -> Page[Conversation]:
    """An owner's conversations, the last changed first. `q` looks in titles and messages."""
    query = select(Conversation).where(Conversation.owner == owner)
    if q:
        query = query.where(_holds(q))
    with database.session() as session:
        if after is not None:
            last = owned(session, Conversation, after, owner)
            place = tuple_(Conversation.changed_at, Conversation.id)
            query = query.where(place < tuple_(last.changed_at, last.id))
        newest = query.order_by(Conversation.changed_at.desc(), Conversation.id.desc())
        rows = list(session.scalars(newest.limit(limit + 1)))
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)


def conversation(conversation_id: str | UUID, owner: str) -> Conversation:
    with database.session() as session:
        return owned(session, Conversation, conversation_id, owner)


def turns(conversation_id: UUID) -> list[Turn]:
    """Questions and answers in their order; answers that nobody writes any more are marked so first."""
    break_silent(conversation_id=conversation_id)
    with database.session() as session:
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
        raise NotFound("There is nothing at this address, or it is not yours.")
    if found.state == "writing" and break_silent(answer_id=found.id):
        return message(answer_id, owner)
    return found


def message(message_id: str | UUID, owner: str) -> Message:
    with database.session() as session:
        return owned(session, Message, message_id, owner)


def prompt(answer: Message) -> tuple[Conversation, list[dict[str, str]]]:
    """The conversation, and what it held before this answer, as a provider takes it."""
    with database.session() as session:
        talk = session.get_one(Conversation, answer.conversation_id)
        before = session.scalars(_of(talk.id).where(Message.current, Message.id < answer.id))
        said = [{"role": row.role, "content": row.text} for row in before if row.text]
    return talk, [{"role": "system", "content": talk.system}, *said] if talk.system else said


def writing(owner: str) -> set[UUID]:
    """The conversations in which an answer is being written."""
    with database.session() as session:
        query = select(Message.conversation_id).where(Message.owner == owner, Message.state == "writing")
        return set(session.scalars(query))


# Writes: what a person does.


def start(talk: Talk, owner: str) -> Conversation:
    values = talk.checked()
    with database.session() as session:
        made = Conversation(owner=owner, **values)
        session.add(made)
        session.flush()
        session.refresh(made)
    return made


def change(conversation_id: str | UUID, talk: Talk, owner: str) -> Conversation:
    values = talk.checked()
    with database.session() as session:
        found = owned(session, Conversation, conversation_id, owner)
        for name, value in values.items():
            setattr(found, name, value)
    return found


def remove(conversation_id: str | UUID, owner: str) -> None:
    """Delete a conversation and its messages. An answer that is being written finds its row gone and ends."""
    with database.session() as session:
        session.execute(
            delete(Conversation).where(Conversation.id == owned(session, Conversation, conversation_id, owner).id)
        )


def ask(conversation_id: str | UUID, question: str, owner: str, *, model: str) -> Message:
    """Add a question; the answer to it, `writing` and empty. Raises Conflict while another answer is written."""
    text_ = _question(question)
    with database.session() as session:
        talk = _free(session, conversation_id, owner)
        return _append(session, talk, text_, model)


def edit(message_id: str | UUID, question: str, owner: str, *, model: str) -> Message:
    """Ask a question anew in other words. It and all after it stay in the database, no longer current."""
    text_ = _question(question)
    with database.session() as session:
        old = owned(session, Message, message_id, owner)
        talk = _free(session, old.conversation_id, owner)
        session.refresh(old)
        if old.role != "user" or not old.current:
            raise Conflict("Only a question that is part of the conversation can be edited.")
        _cut(session, talk.id, old.id)
        return _append(session, talk, text_, model)


def again(answer_id: str | UUID, owner: str, *, model: str) -> Message:
    """Another answer to the same question. This one and all after it are no longer current."""
    with database.session() as session:
        old = owned(session, Message, answer_id, owner)
        talk = _free(session, old.conversation_id, owner)
        session.refresh(old)
        if old.role != "assistant" or not old.current:
            raise Conflict("Only an answer that is part of the conversation can be asked for again.")
        _cut(session, talk.id, old.id)
        return _begin(session, talk, model)


def resume(answer_id: str | UUID, owner: str) -> Message:
    """Go on with the last answer where it ended."""
    with database.session() as session:
        found = owned(session, Message, answer_id, owner)
        talk = _free(session, found.conversation_id, owner)
        later = select(Message.id).where(Message.conversation_id == talk.id, Message.current, Message.id > found.id)
        if found.role != "assistant" or not found.current or session.scalar(later.limit(1)):
            raise Conflict("Only the last answer of a conversation can go on.")
        values = {"state": "writing", "run": Message.run + 1, "beat_at": func.now(), "stop_asked_at": None}
        blank = dict.fromkeys(("reason", "message", "finished_at"))
        session.execute(update(Message).where(Message.id == found.id).values(**values, **blank))
        session.refresh(found)
        return found


def ask_stop(answer_id: str | UUID, owner: str) -> Message:
    """Note the wish to stop an answer. One that has ended stays as it is."""
    with database.session() as session:
        found = owned(session, Message, answer_id, owner)
        if found.role != "assistant":
            raise NotFound("There is nothing at this address, or it is not yours.")
        asked = func.coalesce(Message.stop_asked_at, func.now())
        wanted = update(Message).where(Message.id == found.id, Message.state == "writing").values(stop_asked_at=asked)
        session.execute(wanted)
        session.refresh(found)
        return found


def _of(conversation_id: UUID) -> Select[Any]:
    return select(Message).where(Message.conversation_id == conversation_id).order_by(Message.id)


def _holds(q: str) -> Any:
    words = f"%{escaped(q)}%"
    said = select(Message.id).where(Message.conversation_id == Conversation.id, Message.text.ilike(words)).exists()
    return or_(Conversation.title.ilike(words), said)


def _question(question: str) -> str:
    cleaned = clean_text(question).strip()
    if not cleaned:
        raise InvalidParams([FieldError("message", "Write a message first.")])
    if len(cleaned) > LIMITS["text"]:
        raise InvalidParams([FieldError("message", f"A message may have at most {LIMITS['text']:,} characters.")])
    return cleaned


def _free(session: Session, conversation_id: str | UUID, owner: str) -> Conversation:
    """The conversation, locked, with no answer being written in it, and its owner below the cap."""
    session.execute(text("select pg_advisory_xact_lock(hashtext(:owner))"), {"owner": f"chat {owner}"})
    talk = owned(session, Conversation, as_id(conversation_id), owner, for_update=True)
    silent = text(f"messages.beat_at >= now() - interval '{SILENT_SECONDS} s'")
    alive = select(Message.conversation_id).where(Message.owner == owner, Message.state == "writing", silent)
    busy = list(session.scalars(alive))
    if talk.id in busy:
        raise Conflict("An answer is being written in this conversation. Stop it or wait for its end, then send again.")
    if len(busy) >= MOST_WRITING:
        raise TooMany(f"{MOST_WRITING} answers are being written for you already. Wait for one to end, or stop one.")
    lost = update(Message).where(Message.conversation_id == talk.id, Message.state == "writing")
    session.execute(lost.values(state="broken", reason="writer_lost", message=LOST, finished_at=func.now()))
    return talk


def _cut(session: Session, conversation_id: UUID, first: UUID) -> None:
    """From this message on nothing is current any more."""
    later = update(Message).where(Message.conversation_id == conversation_id, Message.id >= first)
    session.execute(later.values(current=False))


def _append(session: Session, talk: Conversation, question: str, model: str) -> Message:
    session.add(Message(id=new_id(), conversation_id=talk.id, owner=talk.owner, role="user", text=question))
    session.flush()
    talk.title = talk.title or _title(question)
    return _begin(session, talk, model)


def _begin(session: Session, talk: Conversation, model: str) -> Message:
    made = Message(
        id=new_id(),
        conversation_id=talk.id,
        owner=talk.owner,
        role="assistant",
        state="writing",
        run=1,
        beat_at=func.now(),
        model=talk.model or model,
    )
    session.add(made)
    talk.changed_at = func.now()  # type: ignore[assignment]
    session.flush()
    session.refresh(made)
    return made


def _title(question: str) -> str:
    line = " ".join(question.split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
