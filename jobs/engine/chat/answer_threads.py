"""The threads that write answers, in the web process that was asked: no queue, no worker, no reader needed.

1. `ask` gives each answer a thread (under gevent: a greenlet) that asks the provider and adds what comes to a `LiveText`;
   `start` shows it to readers, once its row is committed.
2. Readers of the same process read the `LiveText`; those of others read the Redis stream that one thread fills for all
   answers here, the first text at once and then in batches of BATCH_SECONDS.
3. Another thread saves the texts in Postgres, holds the rows, and looks there whether somebody asked for a stop; a third
   hears over Redis when to look at once.
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

from jobs.engine.chat import answer_rows, answer_writer, conversations, redis_stream
from jobs.engine.chat.answer_writer import AnswerWriter, PendingAnswer
from jobs.engine.chat.live_text import LiveText
from jobs.engine.db.models import Message
from jobs.engine.errors import DatabaseUnavailable
from jobs.engine.llm import connections

log = logging.getLogger(__name__)

BATCH_SECONDS = 0.1
LOOK_SECONDS = 0.5  # that a stop takes where Redis cannot tell of it
LISTEN_SECONDS = 0.5
SHARE = 5  # a loop rests at least so many times as long as it took, however many answers there are
SAVED_AT_ONCE = 200  # rows in a statement

_writers: dict[UUID, AnswerWriter] = {}
_lock = threading.Lock()


def ask(asked: PendingAnswer) -> AnswerWriter:
    """Ask the provider, while the row is still being committed. What comes waits for `start`, or for `AnswerWriter.drop`."""
    writer = AnswerWriter(asked)
    threading.Thread(target=_write, args=(writer,), name=f"answer {writer.answer.id}", daemon=True).start()
    return writer


def start(writer: AnswerWriter) -> None:
    """Write an answer whose row says `writing`."""
    with _lock:
        _writers[writer.answer.id] = writer
    writer.committed.set()
    for loop in (_relaying, _saving, _listening):
        loop.ensure()
    if writer.live.length:
        answer_writer.first_text.set()


def _write(writer: AnswerWriter) -> None:
    try:
        writer.run()
    finally:
        with _lock:
            if _writers.get(writer.answer.id) is writer:
                del _writers[writer.answer.id]
        writer.live.end()


def here(answer_id: UUID, run: int) -> LiveText | None:
    """The answer, if this process writes that run of it."""
    writer = _writers.get(answer_id)
    return writer.live if writer and writer.live.run == run else None


def row_here(answer_id: str, owner: str) -> Message | None:
    """The row of an answer of this owner's that this process writes, as it was when it began."""
    with suppress(ValueError):
        writer = _writers.get(UUID(answer_id))
        return writer.answer if writer and writer.answer.owner == owner and not writer.live.ended else None
    return None


def stop_answer(answer_id: str | UUID, *, owner: str) -> Message:
    """Stop an answer, whichever web process writes it: this one at once, another when it hears of it."""
    answer = conversations.ask_stop(answer_id, owner)
    writer = _writers.get(answer.id)
    if writer is not None:
        writer.stop()
    else:
        redis_stream.wake_writer(answer.id)
    return answer


def flush_answers() -> None:
    """This process ends: store what its answers have, and mark them, rather than let others find them silent."""
    for writer in list(_writers.values()):
        writer.flush()
    connections.close_idle()


def count_answers() -> int:
    """How many answers this process writes."""
    return len(_writers)


class _Loop:
    """A thread that acts again and again for as long as answers are being written."""

    def __init__(self, name: str, seconds: float, act: Callable[[], None], wake: threading.Event) -> None:
        """seconds: from one act to the next. wake: set where it should act at once."""
        self._name, self._seconds, self._act, self._wake = name, seconds, act, wake
        self._running = False

    def ensure(self) -> None:
        with _lock:
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        took = 0.0
        while True:
            self._wake.wait(max(self._seconds, SHARE * took))
            self._wake.clear()
            with _lock:
                if not _writers:
                    self._running = False
                    return
            began = time.monotonic()
            try:
                self._act()
            except DatabaseUnavailable:
                continue
            except Exception:  # one answer must not keep the others from being saved
                log.exception("%s failed", self._name)
            took = time.monotonic() - began if self._seconds else 0.0


def _relay() -> None:
    due = [(writer, piece) for writer in list(_writers.values()) if (piece := writer.unrelayed())[2]]
    if due and redis_stream.add([piece for _, piece in due]):
        for writer, (_, at, text) in due:
            writer.note_relayed(at + len(text))


def _save() -> None:
    """Stop what is to stop, save what is new, hold what is silent."""
    writers = dict(_writers)
    for writer in writers.values():
        writer.look()
    for answer_id in answer_rows.to_end((writer.answer.id, writer.live.run) for writer in writers.values()):
        writers[answer_id].stop()
    now = time.monotonic()
    due = [writer for writer in writers.values() if writer.is_unsaved(now)]
    for first in range(0, len(due), SAVED_AT_ONCE):
        _save_texts(due[first : first + SAVED_AT_ONCE], now)
    silent = [answer_id for answer_id, writer in writers.items() if writer.is_unheld(now)]
    if silent:
        answer_rows.beat(silent)
        for answer_id in silent:
            writers[answer_id].note_held(now)


def _save_texts(some: list[AnswerWriter], now: float) -> None:
    texts = [writer.live.after(0) for writer in some]
    answer_rows.save((writer.answer.id, writer.live.run, text) for writer, text in zip(some, texts, strict=True))
    for writer, text in zip(some, texts, strict=True):
        writer.note_saved(len(text), now)


def _listen() -> None:
    """Look at the rows at once where another process noted a wish there."""
    if _signals.wait(LISTEN_SECONDS):
        _look_now.set()
    if not _writers:
        _signals.close()


_signals = redis_stream.WakeSignals()
_look_now = threading.Event()
_relaying = _Loop("answers to Redis", BATCH_SECONDS, _relay, answer_writer.first_text)
_saving = _Loop("answers to Postgres", LOOK_SECONDS, _save, _look_now)
_listening = _Loop("answers to stop", 0.0, _listen, threading.Event())
