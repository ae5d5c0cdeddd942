"""The rows of answers as their writers hold them.

An answer is held like a job, only lighter: whoever writes it names its `run`, one more at each start, and moves `beat_at`
on. A row that is `writing` and silent is turned to `broken` by whoever looks at it; all times are the database's. A writer
that was only cut off from the database takes its row back as long as nobody started another run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, text, update

from jobs.engine.accounts import spending
from jobs.engine.billing import Bill
from jobs.engine.db import postgres
from jobs.engine.db.models import Conversation, Message
from jobs.engine.jsonsafe import clean, clean_text

SILENT_SECONDS = 8
LOST = "The web process that wrote this answer has ended. What came is kept."


@dataclass(frozen=True)
class Ending:
    """How an answer ended. `message` is a sentence for the person."""

    state: str  # done, stopped, broken, failed
    text: str
    reason: str | None = None
    message: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    first_token_seconds: float | None = None
    reasoning: str | None = None


def note_sources(answer: Message, sources: Sequence[dict[str, Any]]) -> None:
    with postgres.session() as session:
        session.execute(_held(answer.id, answer.run).values(sources=clean(list(sources))))


def save(texts: Iterable[tuple[UUID, int, str]]) -> None:
    """Save the text so far of some answers, and hold them for another SILENT_SECONDS."""
    ids, runs, words = zip(*texts, strict=True)
    with postgres.session() as session:
        session.execute(_SAVE, {"ids": list(ids), "runs": list(runs), "words": list(words)})


_SAVE = text("""
    update messages set text = new.words, beat_at = now(), state = 'writing', reason = null, message = null, finished_at = null
    from unnest(cast(:ids as uuid[]), cast(:runs as int[]), cast(:words as text[])) as new (id, run, words)
    where messages.id = new.id and messages.run = new.run and (state = 'writing' or reason = 'writer_lost')
""")


def beat(answers: Iterable[UUID]) -> None:
    """Hold the rows of these answers, which have nothing new, for another SILENT_SECONDS."""
    with postgres.session() as session:
        session.execute(_BEAT, {"ids": list(answers)})


_BEAT = text("update messages set beat_at = now() where id = any(:ids) and state = 'writing'")


def to_end(answers: Iterable[tuple[UUID, int]]) -> set[UUID]:
    """Which of these answers, each with its run, may not go on: somebody asked to stop, marked or deleted them."""
    ids, runs = zip(*answers, strict=True)
    with postgres.session() as session:
        return set(session.scalars(_TO_END, {"ids": list(ids), "runs": list(runs)}))


_TO_END = text("""
    select mine.id from unnest(cast(:ids as uuid[]), cast(:runs as int[])) as mine (id, run)
    left join messages on messages.id = mine.id and messages.run = mine.run and stop_asked_at is null
        and (state = 'writing' or reason = 'writer_lost')
    where messages.id is null
""")


def finish(answer_id: UUID, run: int, ending: Ending) -> bool:
    """Write how an answer ended; whether it was still this run's to end."""
    cleaned = {"text": clean_text(ending.text), "reasoning": ending.reasoning and clean_text(ending.reasoning)}
    values = {**vars(ending), **cleaned, "finished_at": func.now()}
    with postgres.session() as session:
        ended = session.execute(_held(answer_id, run).values(values).returning(Message.conversation_id)).scalar()
        if ended is not None:
            session.execute(update(Conversation).where(Conversation.id == ended).values(changed_at=func.now()))
    return ended is not None


def charge(answer_id: UUID, bill: Bill) -> None:
    """Add what a run of an answer took to its row, and to its owner's month."""
    usage = bill.usage
    with postgres.session() as session:
        values = {"cached": usage.cached, "reasoning": usage.reasoning, "cost": bill.cost, "id": answer_id}
        owner = session.execute(_CHARGE, values).scalar()
        if owner is not None:
            spending.charge_in(session.connection(), owner, bill)


_CHARGE = text("""
    update messages set cached_tokens = coalesce(cached_tokens, 0) + :cached,
        reasoning_tokens = coalesce(reasoning_tokens, 0) + :reasoning,
        cost = coalesce(cost + cast(:cost as numeric), cast(:cost as numeric), cost)
    where id = :id returning owner
""")


def break_silent(*, conversation_id: UUID | None = None, answer_id: UUID | None = None) -> list[UUID]:
    """Mark the answers whose writer is silent, among these; their ids."""
    silent = text(f"messages.beat_at < now() - interval '{SILENT_SECONDS} s'")
    query = update(Message).where(Message.state == "writing", silent)
    if conversation_id is not None:
        query = query.where(Message.conversation_id == conversation_id)
    if answer_id is not None:
        query = query.where(Message.id == answer_id)
    marked = query.values(state="broken", reason="writer_lost", message=LOST, finished_at=func.now())
    with postgres.session() as session:
        return list(session.scalars(marked.returning(Message.id)))


def mend(answer_id: UUID, run: int, text_: str) -> None:
    """Give a broken answer the end of its text, where more of it was found than the row had."""
    longer = func.length(Message.text) < len(text_)
    lost = update(Message).where(Message.id == answer_id, Message.run == run, Message.reason == "writer_lost", longer)
    with postgres.session() as session:
        session.execute(lost.values(text=text_))


def _held(answer_id: UUID, run: int) -> Any:
    return update(Message).where(Message.id == answer_id, Message.run == run, _WRITABLE)


_WRITABLE = or_(Message.state == "writing", Message.reason == "writer_lost")
