"""The durable loop: one function over many items, in this thread, in several, or in one event loop.

An item's outcome goes to the writer as soon as it ends, and after each item the loop checks whether the run must end. Items in
flight at that moment are not recorded; the next attempt repeats them.

Where several workers share a job (wide.py), an iterator of items may yield None: it has none just now and is to be asked again.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from jobs.engine.billing import NO_BILL, Bill, CallUsage
from jobs.engine.errors import BudgetSpent, JobFailed, LegworkError, OutcomeUnknown, RunEnded, Skip
from jobs.engine.queue.ledger import Outcome
from jobs.engine.worker.outcome_writer import OutcomeWriter

SLOW_SECONDS = 0.01  # an item that takes this long may wait until those before it are in the database
LOOK_SECONDS = (
    0.05  # between checks whether the run must end, while items run, and of an iterator that has none just now
)
MOST_TRACES = 5  # unexpected errors whose traceback is logged


@dataclass(frozen=True, slots=True)
class WorkItem:
    """An item: its position in the input, from 1, its key, its value, and the value as a row of a table."""

    position: int
    key: str
    value: Any
    row: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ItemPolicy:
    """What precedes the call of an item's function: `ready`, called with the item's value, then the record of its start."""

    ready: Callable[[Any], Any] | None = None
    at_most_once: bool = False


@dataclass(slots=True)
class Output:
    """A function's result with more than columns: the tokens it took, or the bill of a model's calls, and its verdict."""

    columns: dict[str, Any]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    verdict: str | None = None  # of moderation
    bill: Bill = NO_BILL


def entries(
    items: Iterable[Any],
    key: Callable[[Any], str] | None,
    row: Callable[[Any], dict[str, Any]] | None,
    sample: int | None,
    first: int = 1,
) -> Iterator[WorkItem]:
    """Number the items from 1; only the first `sample`, if given. Those before the position `first` are passed over."""
    for position, value in enumerate(itertools.islice(items, first - 1, sample), start=first):
        shown = row(value) if row else value if isinstance(value, dict) else None
        yield WorkItem(position, key(value) if key else str(position), value, shown)


def chunks(items: Iterator[WorkItem], size: int) -> Iterator[list[WorkItem]]:
    while some := list(itertools.islice(items, size)):
        yield some


def started(item: WorkItem) -> Outcome:
    return Outcome(item.key, item.position, "started", input=item.row)


def ends_job(error: BaseException) -> bool:
    """Whether an exception raised for one item ends the whole run."""
    return isinstance(error, JobFailed | BudgetSpent | MemoryError) or not isinstance(error, Exception)


def put(writer: OutcomeWriter, item: WorkItem, came: Any, seconds: float) -> None:
    """Give the outcome of an item to the writer. `came`: what the function returned, or the exception it raised."""
    outcome = Outcome(item.key, item.position, "done", input=item.row, seconds=round(seconds, 4))
    outcome.charge(_bill(came))
    output = came if isinstance(came, Output) else Output(came if isinstance(came, dict) else {})
    if isinstance(came, Skip):
        outcome.state, outcome.reason, outcome.error = "skipped", came.reason, came.message
    elif isinstance(came, LegworkError):
        outcome.state = "unknown" if isinstance(came, OutcomeUnknown) else "failed"
        outcome.reason, outcome.error = came.reason, came.message
    elif isinstance(came, Exception):
        # masked before it is cut: half of a secret would not be recognised
        said = writer.hider.text(f"{type(came).__name__}: {came}")[:1_000]
        outcome.state, outcome.reason, outcome.error = "failed", "unexpected", said
        _trace(writer, item, came)
    else:
        outcome.output, outcome.verdict = output.columns, output.verdict
    writer.put(outcome)


def _bill(came: Any) -> Bill:
    """What an item's calls of a model took; a rejected answer has its price too."""
    if isinstance(came, LegworkError):
        return came.bill
    if not isinstance(came, Output):
        return NO_BILL
    tokens = CallUsage(came.prompt_tokens, came.completion_tokens)
    return came.bill if came.bill is not NO_BILL else Bill(tokens)


def _trace(writer: OutcomeWriter, item: WorkItem, error: Exception) -> None:
    writer.traces += 1
    if writer.traces <= MOST_TRACES:
        trace = writer.hider.text("".join(traceback.format_exception(error)))
        writer.line("error", f"item {item.key}: {trace[-4_000:]}")


class ItemLoop:
    """Runs the loops of one run, all in one event loop: some clients do not work in a second one."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(
        self,
        function: Callable[..., Any],
        items: Iterator[WorkItem | None],
        writer: OutcomeWriter,
        concurrency: int,
        using: AbstractAsyncContextManager[Any] | None,
        care: ItemPolicy,
    ) -> None:
        if inspect.iscoroutinefunction(function):
            self._runner = self._runner or asyncio.Runner()
            self._runner.run(_gather(function, items, writer, concurrency, using, care))
        elif concurrency > 1:
            _in_threads(function, items, writer, concurrency, care)
        else:
            for item in items:
                writer.check()
                if item is None:
                    time.sleep(LOOK_SECONDS)
                elif _one(function, item, writer, care) >= SLOW_SECONDS:
                    writer.keep_up()
        writer.check()

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()


def _one(function: Callable[[Any], Any], item: WorkItem, writer: OutcomeWriter, care: ItemPolicy) -> float:
    """Run one item and record its outcome. Returns the seconds it took."""
    began = time.monotonic()
    try:
        if care.ready:
            care.ready(item.value)
        if care.at_most_once:
            writer.put(started(item))
            writer.flush()
        came = function(item.value)
    except Exception as error:
        if ends_job(error):
            raise
        came = error
    seconds = time.monotonic() - began
    put(writer, item, came, seconds)
    return seconds


def _in_threads(
    function: Callable[[Any], Any],
    items: Iterator[WorkItem | None],
    writer: OutcomeWriter,
    concurrency: int,
    care: ItemPolicy,
) -> None:
    """In threads that share the iterator. When the run must end they take no more; items in flight may go on until the
    parent kills the process."""
    shared = _Shared(items)
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="item")
    takers = {pool.submit(_keep_taking, function, shared, writer, care) for _ in range(concurrency)}
    try:
        while takers:
            done, takers = wait(takers, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for taker in done:
                taker.result()
            writer.check()
    finally:
        shared.close()
        pool.shutdown(wait=False, cancel_futures=True)


def _keep_taking(function: Callable[[Any], Any], items: _Shared, writer: OutcomeWriter, care: ItemPolicy) -> None:
    for item in items:
        writer.check()
        if item is None:
            time.sleep(LOOK_SECONDS)
        else:
            _one(function, item, writer, care)


class _Shared:
    """An iterator that several threads share, until it is closed."""

    def __init__(self, items: Iterator[WorkItem | None]):
        self._items = items
        self._lock = threading.Lock()
        self._closed = False

    def __iter__(self) -> Iterator[WorkItem | None]:
        return self

    def __next__(self) -> WorkItem | None:
        with self._lock:
            if self._closed:
                raise StopIteration
            return next(self._items)

    def close(self) -> None:
        self._closed = True


async def _gather(
    function: Callable[..., Any],
    items: Iterator[WorkItem | None],
    writer: OutcomeWriter,
    concurrency: int,
    using: AbstractAsyncContextManager[Any] | None,
    care: ItemPolicy,
) -> None:
    """In one event loop: `concurrency` tasks share the iterator; the end of the run cancels them."""
    async with using or nullcontext() as shared:
        arguments = () if using is None else (shared,)
        tasks = [asyncio.create_task(_take(function, items, writer, arguments, care)) for _ in range(concurrency)]
        try:
            await _until_done(tasks, writer)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _until_done(tasks: list[asyncio.Task[None]], writer: OutcomeWriter) -> None:
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        writer.check()


async def _take(
    function: Callable[..., Any],
    items: Iterator[WorkItem | None],
    writer: OutcomeWriter,
    arguments: tuple[Any, ...],
    care: ItemPolicy,
) -> None:
    for item in items:
        if item is None:
            await asyncio.sleep(LOOK_SECONDS)
            continue
        began = time.monotonic()
        try:
            if care.ready:
                await care.ready(item.value)
            if care.at_most_once:
                writer.put(started(item))
                await asyncio.to_thread(writer.flush)
            came = await function(item.value, *arguments)
        except RunEnded as ended:
            writer.end(ended)
            return
        except Exception as error:
            if ends_job(error):
                raise
            came = error
        put(writer, item, came, time.monotonic() - began)
