"""Reading answers that may be written anywhere: in this process, in another, or by one that has died."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from jobs.engine.chat import answer_rows, answer_threads, conversations, redis_stream
from jobs.engine.chat.live_text import LiveText
from jobs.engine.db.models import Message
from jobs.engine.errors import DatabaseUnavailable, NotFound

log = logging.getLogger(__name__)

NUDGE_SECONDS = 2.0
LOOK_SECONDS = 0.5  # the row is read at most so often: where the stream is silent, has a gap, or is away

_followed: dict[tuple[UUID, int], LiveText] = {}
_lock = threading.Lock()


@contextmanager
def read_answer(answer: Message) -> Iterator[LiveText]:
    """The answer as it grows. It is followed for as long as somebody reads it."""
    live = _join(answer)
    try:
        yield live
    finally:
        with _lock:
            live.readers -= 1


def find_answer(answer_id: str, owner: str) -> Message:
    """An answer's row, to read on from. One that is written here is not asked for in the database: a reader waits."""
    return answer_threads.row_here(answer_id, owner) or answer_status(answer_id, owner)


def answer_status(answer_id: str | UUID, owner: str) -> Message:
    """An answer as it is now. One whose writer is gone is marked, and given what Redis still has of its text."""
    return _mended(conversations.answer(answer_id, owner))


def _mended(answer: Message) -> Message:
    """A broken answer with the end of its text, which Redis may have where the row is a second older."""
    if answer.reason != "writer_lost":
        return answer
    found = redis_stream.text_of(answer.id, answer.run)
    if found is None or not found[0] <= len(answer.text) < found[0] + len(found[1]):
        return answer
    answer.text = answer.text[: found[0]] + found[1]
    answer_rows.mend(answer.id, answer.run, answer.text)
    return answer


def _join(answer: Message) -> LiveText:
    if (live := answer_threads.here(answer.id, answer.run)) is not None:
        with _lock:
            live.readers += 1
        return live
    key = (answer.id, answer.run)
    with _lock:
        live = _followed.get(key)
        fresh = live is None or live.ended
        if live is None or live.ended:
            live = _followed[key] = LiveText(answer.id, answer.run, answer.text)
        live.readers += 1
    if fresh:
        threading.Thread(target=_follow, args=(live, answer.owner), name=f"follow {answer.id}", daemon=True).start()
    return live


def _follow(live: LiveText, owner: str) -> None:
    try:
        _Follower(live, owner).run()
    except Exception:
        log.exception("an answer could not be followed")
    finally:
        with _lock:
            if _followed.get((live.answer_id, live.run)) is live:
                del _followed[live.answer_id, live.run]
        live.end()


class _Follower:
    def __init__(self, live: LiveText, owner: str) -> None:
        self._live, self._owner = live, owner
        self._seen = "0-0"
        self._looked = 0.0
        self._nudged = time.monotonic()

    def run(self) -> None:
        while self._live.readers > 0 and not self._live.ended:
            if time.monotonic() - self._nudged >= NUDGE_SECONDS:
                self._nudged = time.monotonic()
                self._live.nudge()
            entries = redis_stream.read(self._live.answer_id, self._live.run, self._seen)
            if not entries or not all(self._take(entry) for entry in entries):
                self._look()

    def _take(self, entry: redis_stream.StreamEntry) -> bool:
        """False where the row has to be asked: at the end, and where something is missing before this entry."""
        if entry.ended:
            self._looked = 0.0
            return False
        if self._live.extend(entry.at, entry.text):
            self._seen = entry.id
            return True
        return False

    def _look(self) -> None:
        """Take what the row has; its end is the end."""
        if (wait := self._looked + LOOK_SECONDS - time.monotonic()) > 0:
            time.sleep(wait)
        self._looked = time.monotonic()
        try:
            answer = answer_status(self._live.answer_id, self._owner)
        except DatabaseUnavailable:
            return
        except NotFound:  # deleted while it was read
            return self._live.end()
        if answer.run == self._live.run:
            self._live.extend(0, answer.text)
        if answer.run != self._live.run or answer.state != "writing":
            self._live.end()
