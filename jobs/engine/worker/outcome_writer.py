"""Group commit of a run's outcomes, log lines and progress: a thread writes all that waits in one statement, and again.

So an outcome is durable milliseconds after it is known, and ten thousand a second cost few commits. Each commit reads back
whether a stop was asked for; with nothing to write, the thread asks every TICK_SECONDS.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from jobs.engine.db import postgres
from jobs.engine.db.models import Counts
from jobs.engine.errors import DatabaseUnavailable, LeaseLost, RunEnded, StopRequested, TimeLimitReached
from jobs.engine.masking import SecretMasker
from jobs.engine.queue import ledger
from jobs.engine.queue.ledger import Batch, Outcome

TICK_SECONDS = 0.5
GATHER_SECONDS = 0.005  # after the first outcome, for others to come along
MOST_OUTCOMES = 1_000  # a commit
MOST_WAITING = 4_000  # before put() waits: memory stays bounded where work is faster than the disk
MOST_LINES = 10_000
LINE_CHARACTERS = 10_000
AWAY_SECONDS = 0.25  # between tries while the database is away; the parent ends the run when its lease is at risk

_threads = ThreadPoolExecutor(thread_name_prefix="writer")  # reused by the next run: a new one costs 0.05 ms


def start_threads() -> None:
    """In a new process: have an executor of its own, and its first thread, before the process's threads are counted."""
    global _threads
    _threads = ThreadPoolExecutor(thread_name_prefix="writer")
    _threads.submit(int).result()


class OutcomeWriter:
    """Takes outcomes, lines and progress from any thread. `ended` says why the run must end, once it must."""

    def __init__(self, claim: ledger.Claim):
        self.claim = claim
        self._helper = claim.help.helper if claim.help else None
        self.ended: RunEnded | None = None
        self.hider = SecretMasker()
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.counts: Counts | None = None  # as of the last batch
        self.recorded: Callable[[list[Outcome]], None] | None = (
            None  # called with outcomes once they are in the database
        )
        self._lines = 0
        self.traces = 0  # of unexpected errors, that went into the log
        self._deadline = time.monotonic() + claim.time_limit
        self._batch = Batch()
        self._handed = 0  # outcomes that were put
        self._kept = 0  # of these, those in the database
        self._change = threading.Condition()
        self._writing = False
        self._flushing = False
        self._closing = False
        self._error: BaseException | None = None
        self._done: Future[None] | None = None  # of the thread's work

    def start(self) -> None:
        self._done = _threads.submit(self._write_on)

    def put(self, outcome: Outcome) -> None:
        """Add an item's outcome. Waits only while MOST_WAITING others are still to be written."""
        outcome.input, outcome.output = self.hider.value(outcome.input), self.hider.value(outcome.output)
        outcome.error = self.hider.value(outcome.error)
        with self._change:
            while len(self._batch.outcomes) >= MOST_WAITING and not self._over:
                self._change.wait()
            self._batch.outcomes.append(outcome)
            self._handed += 1
            if len(self._batch.outcomes) in (1, MOST_OUTCOMES):  # in between, the writer knows already
                self._change.notify_all()

    def line(self, level: str, text: str) -> None:
        """A line of the log. An attempt has MOST_LINES; the last says that there were more."""
        with self._change:
            self._lines += 1
            if self._lines <= MOST_LINES:
                self._batch.lines.append((level, self.hider.text(text)[:LINE_CHARACTERS]))
            if self._lines == MOST_LINES:
                self._batch.lines.append(("warning", f"The log ends here: an attempt may write {MOST_LINES:,} lines."))

    def progress(self, **figures: int | str | None) -> None:
        """done, total, note: written with the next batch, at the latest after TICK_SECONDS."""
        with self._change:
            self._batch.progress.update(
                {name: self.hider.value(value) for name, value in figures.items() if value is not None}
            )

    def flush(self) -> None:
        """Wait until everything put so far is in the database, and `counts` is read. Raises what ended the run, if it has ended."""
        with self._change:
            self._flushing = True
            self._change.notify_all()
            self._change.wait_for(lambda: self._over or not (self._flushing or self._writing or _full(self._batch)))
        self.check()

    def keep_up(self) -> None:
        """Wait until all outcomes but the last are in the database, so that a kill undoes no more than that one."""
        with self._change:
            self._change.wait_for(lambda: self._over or self._kept >= self._handed - 1)

    def check(self) -> None:
        """Raise what ended the run, if it has ended."""
        if self._error is not None:
            raise self._error
        if self.ended is not None:
            raise self.ended

    def end(self, how: RunEnded) -> None:
        """The run must end; the first reason stands. Safe to call in a signal handler."""
        if self.ended is None:
            self.ended = how

    def close(self) -> None:
        """Write what waits and end the thread's work. Raises what kept it from writing, such as LeaseLost."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        if self._done is not None:
            self._done.result()
        if self._error is not None:
            raise self._error
        if isinstance(self.ended, LeaseLost):
            raise self.ended

    @property
    def _over(self) -> bool:
        return self._error is not None or isinstance(self.ended, LeaseLost)

    def _write_on(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._commit(batch)
                if self.recorded is not None and batch.outcomes:
                    self.recorded(batch.outcomes)
                self._kept += len(batch.outcomes)
        except LeaseLost as lost:
            self.ended = lost  # also where something else ended the run before: nothing may be written any more
        except BaseException as error:  # not lost with the thread: the run raises it
            self._error = error
        finally:
            with self._change:
                self._writing = False
                self._change.notify_all()

    def _next(self) -> Batch | None:
        """The next batch: at once if outcomes wait, else after a tick; None when closing and nothing waits."""
        with self._change:
            self._writing = False
            self._change.notify_all()
            self._change.wait_for(lambda: self._batch.outcomes or self._closing or self._flushing, TICK_SECONDS)
            self._change.wait_for(self._pressing, GATHER_SECONDS)
            if self._closing and not _full(self._batch):
                return None
            batch, rest = _split(self._batch)
            self._batch, self._flushing, self._writing = rest, False, True
            self._change.notify_all()
        return batch

    def _pressing(self) -> bool:
        return self._closing or self._flushing or len(self._batch.outcomes) >= MOST_OUTCOMES

    def _commit(self, batch: Batch) -> None:
        """On a pooled connection, which the run's own queries use too: each is a process of Postgres and takes time to open."""
        while True:
            try:
                with postgres.autocommit() as connection:
                    self._look(ledger.record(connection, self.claim.job_id, self.claim.lease, batch, self._helper))
                return
            except DatabaseUnavailable:
                time.sleep(AWAY_SECONDS)

    def _look(self, signal: ledger.Signal) -> None:
        self.prompt_tokens, self.completion_tokens = signal.prompt_tokens, signal.completion_tokens
        self.counts = signal.counts
        if signal.stop_asked_seconds is not None:
            self.end(StopRequested())
        elif time.monotonic() > self._deadline:
            self.end(TimeLimitReached())


def _full(batch: Batch) -> bool:
    return bool(batch.outcomes or batch.lines or batch.progress)


def _split(batch: Batch) -> tuple[Batch, Batch]:
    """At most MOST_OUTCOMES to write now; the lines and the progress go with the first part."""
    rest = Batch(outcomes=batch.outcomes[MOST_OUTCOMES:])
    batch.outcomes = batch.outcomes[:MOST_OUTCOMES]
    return batch, rest
