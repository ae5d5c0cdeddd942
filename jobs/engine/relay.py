"""An answer on its way to other processes: an append-only Redis stream for each run, and the wish to stop it.

Redis only makes it fast. What it loses is read from Postgres, and what it does not say is asked there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from jobs.engine import delivery
from jobs.engine.errors import LegworkError

KEPT_SECONDS = 3_600
AWAY_SECONDS = 3.0  # a Redis that did not answer is left alone for so long
WAIT_MILLISECONDS = 500
_away_until = 0.0


@dataclass(frozen=True)
class Entry:
    """A piece of text and the offset of its first character; or, with `ended`, that nothing follows."""

    id: str
    at: int
    text: str
    ended: bool = False


def add(pieces: Sequence[tuple[UUID, int, int, str, bool]]) -> bool:
    """Append (answer, run, offset, text, ended) each to its stream, in one trip; whether Redis took them."""
    return bool(_asked(_add, pieces))


def read(answer_id: UUID, run: int, after: str) -> list[Entry] | None:
    """The entries after this one, waited for a moment; None if Redis is away."""
    found = _asked(_read, answer_id, run, after)
    return None if found is None else [_entry(*each) for each in found]


def text_of(answer_id: UUID, run: int) -> tuple[int, str] | None:
    """The offset of a run's first character, and all that follows without a gap; None if there is none of it."""
    rows = _asked(_range, answer_id, run)
    entries = [_entry(*each) for each in rows or [] if b"end" not in each[1]]
    if not entries:
        return None
    whole = ""
    for entry in entries:
        if entry.at != entries[0].at + len(whole):
            break
        whole += entry.text
    return entries[0].at, whole


def _add(pieces: Sequence[tuple[UUID, int, int, str, bool]]) -> bool:
    with delivery.broker().pipeline(transaction=False) as pipe:
        for answer_id, run, at, text, ended in pieces:
            pipe.xadd(_key(answer_id, run), {"end": 1} if ended else {"at": at, "text": text})
        for key in {_key(piece[0], piece[1]) for piece in pieces}:
            pipe.expire(key, KEPT_SECONDS)
        pipe.execute()
    return True


def _read(answer_id: UUID, run: int, after: str) -> list[Any]:
    key = _key(answer_id, run)
    found: Any = delivery.broker().xread({key: after}, block=WAIT_MILLISECONDS)
    if not found:
        return []
    return list(next(iter(found.values()))[0] if isinstance(found, dict) else found[0][1])


def _range(answer_id: UUID, run: int) -> list[Any]:
    return list(delivery.broker().xrange(_key(answer_id, run)))  # type: ignore[arg-type]


def _entry(id_: bytes, fields: dict[bytes, bytes]) -> Entry:
    if b"end" in fields:
        return Entry(id_.decode(), 0, "", ended=True)
    return Entry(id_.decode(), int(fields[b"at"]), fields[b"text"].decode())


def _key(answer_id: UUID, run: int) -> str:
    return f"legwork:answer:{answer_id}:{run}"


def _asked(question: Any, *arguments: Any) -> Any:
    """What Redis answers; None, at once for a while, where it does not."""
    global _away_until
    if time.monotonic() < _away_until:
        return None
    try:
        return question(*arguments)
    except (RedisError, OSError, LegworkError):
        _away_until = time.monotonic() + AWAY_SECONDS
        return None
