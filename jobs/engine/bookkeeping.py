"""RQ's own record of workers and messages, which rq-dashboard shows, kept in as few trips to Redis as it takes.

Nothing that is decided depends on it: the rows say what happened.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rq import Queue, Worker
from rq.job import Job as Message
from rq.utils import now

TELL_SECONDS = 1  # between two updates of a worker's record, where nothing has changed


class Bookkeeper(Worker):
    """RQ's worker, more sparing with what it tells Redis."""

    # In the child: called when the row is settled, and the message not yet.
    on_settled: Callable[[], None] | None = None
    _told = _asked = 0.0  # when this worker's record was last brought up to date, and `rq suspend` looked for

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """As RQ's, but at most once a second, and in one round trip: RQ asks for it four times a job, in three each."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
        elif self._is_due():
            self._told = time.monotonic()
            with self.connection.pipeline(transaction=False) as together:
                super().heartbeat(timeout, together)
                together.execute()

    def set_state(self, state: str, pipeline: Any = None) -> None:
        if pipeline is not None or state != self.get_state() or self._is_due():
            super().set_state(state, pipeline)

    def check_for_suspension(self, burst: bool) -> None:
        if time.monotonic() - self._asked > TELL_SECONDS:
            self._asked = time.monotonic()
            super().check_for_suspension(burst)

    def handle_execution_ended(self, message: Message, queue: Queue, heartbeat_ttl: int) -> None:
        """As RQ's without its last heartbeat: the message is given its end at once. In the child."""
        message.ended_at = now()
        if self.on_settled:
            self.on_settled()

    def _is_due(self) -> bool:
        return time.monotonic() - self._told > TELL_SECONDS
