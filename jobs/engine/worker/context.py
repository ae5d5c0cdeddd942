"""The context passed to a kind's run(): items, steps, progress, log, files, stop, budget."""

from __future__ import annotations

import io
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sized
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO
from uuid import UUID

from jobs.engine import jsonsafe
from jobs.engine.connections.kept_answers import KeptAnswers
from jobs.engine.db import postgres
from jobs.engine.db.models import Counts
from jobs.engine.errors import JobFailed, QuotaExceeded, RunEnded
from jobs.engine.files import inputs, quota
from jobs.engine.files.storage import blob_storage
from jobs.engine.llm import Budget
from jobs.engine.masking import SecretMasker
from jobs.engine.queue import ledger, queries
from jobs.engine.worker import holds, item_loop
from jobs.engine.worker.item_loop import Output, WorkItem
from jobs.engine.worker.outcome_writer import OutcomeWriter
from jobs.engine.worker.wide import LOOK_SECONDS, LeaderFeed

__all__ = ["Context", "Counts", "Handle", "Output"]

MOST_NOTES = 50
LAST_SECONDS = (
    2.0  # for helpers to write what they have done, where a run ends early: less than a worker gives its child
)


RunItems = Callable[[Iterator[WorkItem | None]], None]  # goes through items


class Context:
    """Of one attempt at one job. Thread-safe, except `map` and `items`, which only the thread that runs the kind may call."""

    def __init__(self, claim: ledger.Claim, writer: OutcomeWriter):
        self.job = claim
        self._writer = writer
        self.mapped = False  # all items were gone through
        self.spread: str | None = None  # the queue of a kind with SPREAD
        self.feed: LeaderFeed | None = None  # of items that may be shared with other workers
        self.loop = item_loop.ItemLoop()
        self._so_far: dict[str, Any] | None = None
        self.table_notes: list[str] = []  # what a person should know of how the tables were read
        self._lock = Lock()

    @property
    def used(self) -> tuple[int, int]:
        """Prompt and completion tokens recorded so far, by earlier attempts and other workers too."""
        if self.job.resumed and self._writer.counts is None:
            self._writer.flush()  # nothing was read yet
        return self._writer.prompt_tokens, self._writer.completion_tokens

    def budget(self, tokens: int | None = None, dollars: float | None = None) -> Budget:
        """The limits of this job, of tokens and of dollars, and its owner's allowance; with what earlier attempts used.

        Before each call: `async with budget.room_for(...) as spend`. The item's Output takes `bill=spend.bill`.
        """
        most = None if dollars is None else Decimal(str(dollars))
        return Budget(tokens, sum(self.used), holds.money_limit(self.job, most))

    def allowance_check(self) -> Callable[[], Awaitable[None]] | None:
        """What is awaited before a call that is paid, in a kind without a budget. Raises BudgetSpent; None: no allowance."""
        return holds.allowance_check(self.job)

    def kept_answers(self, on: bool) -> KeptAnswers:
        """Answers that the owner's earlier jobs kept; `on`: whether this job uses and keeps any."""
        return KeptAnswers(self.job.owner, on)

    @property
    def failed(self) -> int:
        """Items recorded as failed so far, by earlier attempts and other workers too."""
        return self._writer.counts.failed if self._writer.counts else 0

    @property
    def so_far(self) -> dict[str, Any] | None:
        """The result if the run ends early. Once set it is in the row, where it survives a kill, and on the page."""
        return self._so_far

    @so_far.setter
    def so_far(self, result: dict[str, Any]) -> None:
        self._so_far = result
        written = jsonsafe.dumps(self._writer.hider.value(result))
        if len(written.encode()) <= ledger.RESULT_BYTES:
            self._writer.progress(result=written)

    def map(
        self,
        function: Callable[..., Any],
        items: Iterable[Any],
        *,
        key: Callable[[Any], str] | None = None,
        row: Callable[[Any], dict[str, Any]] | None = None,
        total: int | None = None,
        concurrency: int = 1,
        using: AbstractAsyncContextManager[Any] | None = None,
        ready: Callable[[Any], Any] | None = None,
        at_most_once: bool = False,
        shared: bool = True,
    ) -> Counts:
        """Run `function` over `items` and record each outcome; items that earlier attempts finished are skipped.

        function: takes an item and returns a dict or an Output, whose columns are stored with the item. A coroutine function
            runs in the process's one event loop, any other in threads. Raising Skip skips the item, JobFailed and BudgetSpent
            end the job, OutcomeUnknown leaves the item `unknown`, any other exception fails this item alone.
        items: any iterable; never held in memory whole. key: identifies an item in later attempts (default: its position).
        row: the item as a row of a table, stored as its input (default: the item itself if it is a dict).
        total: the number of items, if known. concurrency: how many run at a time.
        using: for coroutines: an async context manager around all calls; its value is the function's second argument.
        ready: called with the item before its start is recorded, as a coroutine if the function is one: the place to wait
            for a rate limit. What it raises is the item's outcome, as if the function had raised it.
        at_most_once: record the start before each call; an item that was started and never ended is `unknown` and is not
            repeated.
        shared: in a kind with SPREAD, idle workers may help. False where this job's items depend on one another after all.
        """
        entries = self._entries(items, key, row, total)
        policy = item_loop.ItemPolicy(ready, at_most_once)

        def run(given: Iterator[WorkItem | None]) -> None:
            self.loop.run(function, given, self._writer, concurrency, using, policy)

        if shared and self.spread is not None and not self.mapped:
            self._share(run, entries, self.spread)
        else:
            run(self._left(entries))
        return self._whole()

    def items(
        self,
        items: Iterable[Any],
        *,
        key: Callable[[Any], str] | None = None,
        row: Callable[[Any], dict[str, Any]] | None = None,
        total: int | None = None,
        at_most_once: bool = False,
    ) -> Iterator[Handle]:
        """As `map`, one at a time: `for handle in context.items(rows): with handle as item: handle.output = {...}`."""
        for entry in self._left(self._entries(items, key, row, total)):
            self.check()
            if at_most_once:
                self._writer.put(item_loop.started(entry))
                self._writer.flush()
            yield Handle(entry, self._writer)
        self._whole()

    def once(self, key: str, function: Callable[[], Any], *, at_most_once: bool = False) -> Any:
        """The JSON result of a step, which later attempts read instead of computing it again.

        at_most_once: if an earlier attempt started the step and never ended it, raise JobFailed instead of repeating it.
        """
        self._writer.flush()
        with postgres.session() as session:
            known = ledger.start_step(session.connection(), self.job.job_id, self.job.lease, key)
        if known is not None and known.state == "done":
            return known.result
        if known is not None and at_most_once:
            raise JobFailed(f"The step “{key}” was started and never ended. Whether it happened cannot be told.")
        result = function()
        with postgres.session() as session:
            ledger.end_step(session.connection(), self.job.job_id, self.job.lease, key, result)
        return result

    def progress(self, done: int | None = None, total: int | None = None, note: str | None = None) -> None:
        """Show progress. `done` only in kinds without items: items are counted."""
        self._writer.progress(done=done, total=total, note=note)

    def log(self, text: str, level: str = "info") -> None:
        """Add a line to the job's log. Levels: info, warning, error."""
        self._writer.line(level, text)

    def check(self) -> None:
        """Raise if the run must end: a stop was asked for, the time limit passed, the worker shuts down, the lease was lost."""
        self._writer.check()

    def open(self, ref: str) -> inputs.Input:
        """An upload, an output file or a sample that the job's owner may read. Raises BadInput."""
        return replace(inputs.find_input(ref, self.job.owner), tell=self._tell, whole=True)

    def save(self, name: str, data: bytes | str | Path, media_type: str = "application/octet-stream") -> UUID:
        """Store an output file, shown once the job has ended. Returns its id.

        Secret params are masked in `data`, unless it is a path. Raises QuotaExceeded, which ends the job, if the owner's storage
        is full.
        """
        held = (self.job.job_id, self.job.lease)
        with _stream(data, self._writer.hider) as stream:
            quota.check_quota(self.job.owner, _size(stream), held)
            blob = blob_storage().put(stream, limit=None)
        try:
            with postgres.session() as session:
                quota.take_quota(session, self.job.owner, blob.bytes, held)
                return ledger.add_file(session.connection(), self.job, name, media_type, blob)
        except QuotaExceeded:
            blob_storage().delete(blob.key)
            raise

    def _tell(self, name: str, notes: list[str]) -> None:
        """Log how a table was read, and keep it for the result; each sentence once."""
        for note in notes:
            with self._lock:
                new = len(self.table_notes) < MOST_NOTES and (line := f"{name}: {note}") not in self.table_notes
                if new:
                    self.table_notes.append(line)
            if new:
                self.log(line)

    def left(self, items: Iterable[Any], key: Callable[[Any], str] | None = None) -> Iterator[WorkItem]:
        """The items as `map` will go through them, those left out that have ended."""
        return self._left(item_loop.entries(items, key, None, self.job.sample))

    def _entries(
        self,
        items: Iterable[Any],
        key: Callable[[Any], str] | None,
        row: Callable[[Any], dict[str, Any]] | None,
        total: int | None,
    ) -> Iterator[WorkItem]:
        known = total if total is not None else len(items) if isinstance(items, Sized) else None
        sample = self.job.sample
        self.progress(total=known if sample is None or known is None else min(known, sample))
        return item_loop.entries(items, key, row, sample)

    def _left(self, entries: Iterator[WorkItem]) -> Iterator[WorkItem]:
        """Those that no earlier attempt has finished."""
        return self._unfinished(entries) if self.job.resumed else entries

    def _unfinished(self, entries: Iterator[WorkItem]) -> Iterator[WorkItem]:
        """Items that have not ended, looked up a few hundred at a time."""
        for some in item_loop.chunks(entries, 500):
            with postgres.session() as session:
                finished = queries.finished_keys(session, self.job.job_id, [entry.key for entry in some])
            yield from (entry for entry in some if entry.key not in finished)

    def _share(self, run: RunItems, entries: Iterator[WorkItem], queue: str) -> None:
        """Go through the items, and let idle workers of the queue help."""
        if self.job.resumed:
            self._await_helpers()  # of an attempt whose worker was lost: they do their parts to the end
        self.feed = feed = LeaderFeed(self._left(entries), self._unfinished, self.job, queue)
        try:
            run(iter(feed))
        except RunEnded:
            if feed.published:
                self._await_helpers(LAST_SECONDS)
            raise

    def _await_helpers(self, seconds: float = float("inf")) -> None:
        """Wait until no helper is at this job, for at most so many seconds."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            with postgres.autocommit() as connection:
                if not ledger.living_helpers(connection, self.job.job_id):
                    return
            if seconds == float("inf"):
                self._writer.check()
            time.sleep(LOOK_SECONDS)

    def _whole(self) -> Counts:
        self._writer.flush()
        self.mapped = True
        assert self._writer.counts is not None, "a flush records"
        return self._writer.counts


class Handle:
    """One item of `Context.items`: a context manager that records how its block ended."""

    def __init__(self, entry: WorkItem, writer: OutcomeWriter):
        self.output: dict[str, Any] | Output = {}
        self._entry = entry
        self._writer = writer

    def __enter__(self) -> Any:
        self._began = time.monotonic()
        return self._entry.value

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> bool:
        if error is not None and item_loop.ends_job(error):
            return False
        item_loop.put(
            self._writer, self._entry, self.output if error is None else error, time.monotonic() - self._began
        )
        return True


def _stream(data: bytes | str | Path, hider: SecretMasker) -> BinaryIO:
    if isinstance(data, Path):
        return data.open("rb")
    return io.BytesIO(hider.bytes(data.encode() if isinstance(data, str) else data))


def _size(stream: BinaryIO) -> int:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return size
