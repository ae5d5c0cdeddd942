"""How long a worker program waits before it starts again what has ended."""

from __future__ import annotations

import time

from jobs.engine.worker.supervisor import LASTED_SECONDS, MOST_RESTART_SECONDS, Slot

FAILED, KILLED = 1 << 8, 9  # as waitpid gives them


def test_what_cannot_go_on_is_started_ever_more_slowly() -> None:
    slot = Slot(started=time.monotonic())
    assert slot.pause == 1
    pauses = []
    for _ in range(8):
        slot.note_end(FAILED)
        pauses.append(slot.pause)
    assert pauses == [1, 2, 4, 8, 16, MOST_RESTART_SECONDS, MOST_RESTART_SECONDS, MOST_RESTART_SECONDS]


def test_one_that_was_killed_or_has_run_for_long_is_started_at_once() -> None:
    slot = Slot(started=time.monotonic(), failures=5)
    slot.note_end(KILLED)
    assert slot.pause == 1
    slot = Slot(started=time.monotonic() - LASTED_SECONDS - 1, failures=5)
    slot.note_end(FAILED)
    assert slot.pause == 1
