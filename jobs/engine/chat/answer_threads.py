"""Writing answers, in the web process that was asked: no queue, no worker, no reader needed.

1. `ask` gives each answer a thread (under gevent: a greenlet) that asks the provider and adds what comes to a `Live`;
   `start` shows it to readers, once its row is committed.
2. Readers of the same process read the `Live`; those of others read the Redis stream that one thread fills for all
   answers here, the first token at once and then in batches of BATCH_SECONDS.
3. Another thread keeps the text in Postgres, beats for the rows, and looks there whether somebody asked for a stop; a
   third hears over Redis that it is worth looking now.
4. The end is written to the row, in one statement, before any reader is told of it.
These threads end with the last answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from jobs.engine.chat import answer_rows, conversations, redis_stream
from jobs.engine.chat.answer_writer import AnswerWriter, PendingAnswer
from jobs.engine.chat.live_text import LiveText
from jobs.engine.db.models import Message
from jobs.engine.errors import DatabaseUnavailable
from jobs.engine.llm import keep_alive

log = logging.getLogger(__name__)

BATCH_SECONDS = 0.1
LOOK_SECONDS = 0.5  # that a stop takes where Redis cannot tell of it
KEEP_SECONDS = 1.0
BEAT_SECONDS = 2.0
LISTEN_SECONDS = 0.5
SHARE = 5  # a loop rests at least so many times as long as it took, however many answers there are
KEPT_AT_ONCE = 200  # rows in a statement

_writing: dict[UUID, AnswerWriter] = {}
_lock = threading.Lock()


def ask(asked: PendingAnswer) -> AnswerWriter:
    """Ask the provider, while the row is still being committed. What comes waits for `start`, or for `Writing.drop`."""
    writing = AnswerWriter(asked, _relaying.hurry, _forget)
    threading.Thread(target=writing.run, name=f"answer {writing.answer.id}", daemon=True).start()
    return writing


def start(writing: AnswerWriter) -> None:
    """Write an answer whose row says `writing`."""
    with _lock:
        _writing[writing.answer.id] = writing
    writing.committed.set()
    for loop in (_relaying, _keeping, _listening):
        loop.ensure()
    if writing.live.length > writing.relayed:
        _relaying.hurry()


def here(answer_id: UUID, run: int) -> LiveText | None:
    """The answer, if this process writes that run of it."""
    writing = _writing.get(answer_id)
    return writing.live if writing and writing.live.run == run else None


def row_here(answer_id: str, owner: str) -> Message | None:
    """The row of an answer of this owner's that this process writes, as it was when it began."""
    with suppress(ValueError):
        writing = _writing.get(UUID(answer_id))
        return writing.answer if writing and writing.answer.owner == owner and not writing.live.ended else None
    return None


def stop_answer(answer_id: str | UUID, *, owner: str) -> Message:
    """Stop an answer, whichever web process writes it: this one at once, another when it hears of it."""
    answer = conversations.ask_stop(answer_id, owner)
    writing = _writing.get(answer.id)
    if writing is not None:
        writing.stop()
    else:
        redis_stream.wake_writer(answer.id)
    return answer


def flush_answers() -> None:
    """This process ends: store what its answers have, and mark them, rather than let others find them silent."""
    for writing in list(_writing.values()):
        writing.hand_in()
    keep_alive.close_idle()


def count_answers() -> int:
    """How many answers this process writes."""
    return len(_writing)


def _forget(writing: AnswerWriter) -> None:
    with _lock:
        if _writing.get(writing.answer.id) is writing:
            del _writing[writing.answer.id]


class _Loop:
    """A thread that acts again and again for as long as answers are being written."""

    def __init__(
        self, name: str, seconds: float, act: Callable[[], None], close: Callable[[], None] = lambda: None
    ) -> None:
        self._name, self._seconds, self._act, self._close = name, seconds, act, close
        self._running = False
        self._hurry = threading.Event()

    def ensure(self) -> None:
        with _lock:
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def hurry(self) -> None:
        self._hurry.set()

    def _run(self) -> None:
        took = 0.0
        while True:
            self._hurry.wait(max(self._seconds, SHARE * took))
            self._hurry.clear()
            with _lock:
                if not _writing:
                    self._running = False
                    break
            began = time.monotonic()
            try:
                self._act()
            except DatabaseUnavailable:
                continue
            except Exception:  # one answer must not keep the others from being kept
                log.exception("%s failed", self._name)
            took = time.monotonic() - began if self._seconds else 0.0
        self._close()


def _relay() -> None:
    mine = [(each, each.live.length) for each in list(_writing.values()) if each.live.length > each.relayed]
    pieces = [
        (each.stream_key, each.relayed, each.live.after(each.relayed)[: length - each.relayed]) for each, length in mine
    ]
    if pieces and redis_stream.add(pieces):
        for each, length in mine:
            each.relayed = max(each.relayed, length)


def _keep() -> None:
    """Stop what is to stop, keep what is new, hold what is silent."""
    mine = dict(_writing)
    for each in mine.values():
        each.look()
    for answer_id in answer_rows.to_end((each.answer.id, each.live.run) for each in mine.values()):
        mine[answer_id].stop()
    now = time.monotonic()
    due = [each for each in mine.values() if each.live.length > each.kept and now - each.beaten >= KEEP_SECONDS]
    for first in range(0, len(due), KEPT_AT_ONCE):
        _keep_texts(due[first : first + KEPT_AT_ONCE], now)
    silent = [answer_id for answer_id, each in mine.items() if now - each.beaten >= BEAT_SECONDS]
    if silent:
        answer_rows.beat(silent)
        for answer_id in silent:
            mine[answer_id].beaten = now


def _keep_texts(some: list[AnswerWriter], now: float) -> None:
    lengths = [each.live.length for each in some]
    answer_rows.keep([(each.answer.id, each.live.run, each.live.after(0)) for each in some])
    for each, length in zip(some, lengths, strict=True):
        each.kept, each.beaten = length, now


def _listen() -> None:
    """Look at the rows at once where another process noted a wish there."""
    if _hurries.wait(LISTEN_SECONDS):
        _keeping.hurry()


_hurries = redis_stream.WakeSignals()
_relaying = _Loop("answers to Redis", BATCH_SECONDS, _relay)
_keeping = _Loop("answers to Postgres", LOOK_SECONDS, _keep)
_listening = _Loop("answers to stop", 0.0, _listen, _hurries.close)
