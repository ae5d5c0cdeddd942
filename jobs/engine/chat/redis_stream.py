"""An answer on its way to other processes: an append-only Redis stream for each run, and the wish to stop it.

Redis only makes it fast. What it loses is read from Postgres, and what it does not say is asked there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from jobs.engine.db import redis
from jobs.engine.errors import LegworkError

KEPT_SECONDS = 3_600
AT_ONCE = 500  # pieces; many commands in one script cost the client a seventh of as many commands
AWAY_SECONDS = 3.0  # for which a Redis that did not answer is left alone
WAIT_MILLISECONDS = 500

_breaker = redis.CircuitBreaker(AWAY_SECONDS)


@dataclass(frozen=True)
class StreamEntry:
    """A piece of text and the offset of its first character; or, with `ended`, that nothing follows."""

    id: str
    at: int
    text: str
    ended: bool = False


def add(pieces: Sequence[tuple[str, int, str]]) -> bool:
    """Append (key, offset, text) each to its stream, in one trip; whether Redis took them."""
    return bool(_asked(_add, pieces))


def end(key: str, at: int, rest: str) -> None:
    """Append what is left, and that nothing follows."""
    _asked(_add, [(key, at, rest)] * bool(rest) + [(key, -1, "")])


def read(answer_id: UUID, run: int, after: str) -> list[StreamEntry] | None:
    """The entries after this one, waited for a moment; None if Redis is away."""
    found = _asked(_read, answer_id, run, after)
    return None if found is None else [_entry(*each) for each in found]


def text_of(answer_id: UUID, run: int) -> tuple[int, str] | None:
    """The offset of a run's first character, and all that follows without a gap; None if there is none of it."""
    rows = _asked(_range, answer_id, run)
    entries = [entry for entry in (_entry(*each) for each in rows or []) if not entry.ended]
    if not entries:
        return None
    whole = ""
    for entry in entries:
        if entry.at != entries[0].at + len(whole):
            break
        whole += entry.text
    return entries[0].at, whole


def wake_writer(answer_id: UUID) -> None:
    """Tell whoever writes this answer to look at its row now. Where nobody hears it, the next look comes anyway."""
    _asked(lambda: redis.broker().publish(_WAKE, str(answer_id)))


class WakeSignals:
    """Hears `wake_writer`, called in any process since this began to listen."""

    def __init__(self) -> None:
        self._listening: Any = None

    def wait(self, seconds: float) -> bool:
        """Whether something was said within these seconds. A Redis that is away says nothing."""
        heard = _asked(self._hear, seconds)
        if heard is None:
            self.close()
            time.sleep(seconds)
        return bool(heard)

    def close(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            with suppress(RedisError, OSError):
                listening.close()

    def _hear(self, seconds: float) -> bool:
        if self._listening is None:
            self._listening = redis.broker().pubsub(ignore_subscribe_messages=True)
            self._listening.subscribe(_WAKE)
        return self._listening.get_message(timeout=seconds) is not None


_WAKE = "legwork:answers:wake"


def key(answer_id: UUID, run: int) -> str:
    """The stream of one run of an answer."""
    return f"legwork:answer:{answer_id}:{run}"


def _add(pieces: Sequence[tuple[str, int, str]]) -> bool:
    for first in range(0, len(pieces), AT_ONCE):
        some = pieces[first : first + AT_ONCE]
        _script()([key for key, _, _ in some], [KEPT_SECONDS, *(f"{at} {text}" for _, at, text in some)])
    return True


@cache
def _script() -> Any:
    return redis.broker().register_script(_ADD)


_ADD = """
for i, key in ipairs(KEYS) do
  redis.call('XADD', key, '*', 'piece', ARGV[i + 1])
  redis.call('EXPIRE', key, ARGV[1])
end
"""


def _read(answer_id: UUID, run: int, after: str) -> list[Any]:
    found: Any = redis.broker().xread({key(answer_id, run): after}, block=WAIT_MILLISECONDS)
    if not found:
        return []
    return list(next(iter(found.values()))[0] if isinstance(found, dict) else found[0][1])


def _range(answer_id: UUID, run: int) -> list[Any]:
    return list(redis.broker().xrange(key(answer_id, run)))  # type: ignore[arg-type]


def _entry(id_: bytes, fields: dict[bytes, bytes]) -> StreamEntry:
    at, _, text = fields[b"piece"].decode().partition(" ")
    return StreamEntry(id_.decode(), int(at), text, ended=at == "-1")


def _asked(question: Any, *arguments: Any) -> Any:
    """What Redis answers; None, at once for a while, where it does not."""
    if _breaker.is_open:
        return None
    try:
        return question(*arguments)
    except (RedisError, OSError, LegworkError):
        _breaker.trip()
        return None
