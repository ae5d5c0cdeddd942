"""How several workers share the items of one job. See docs/wide-jobs.md; the rows are in queue/ledger/parts.py.

`LeaderFeed` hands out the items of the worker that claimed the job. After a second it begins to offer stretches of what is left to
idle workers, and takes itself what nobody has taken. It keeps the items of each part until they are done, so that it can do them
where a helper is lost: the job depends on no helper.

`HelperFeed` hands out the items of the parts that a helper takes, one part after another, each time it has none left to begin.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from jobs.engine.db import postgres
from jobs.engine.errors import BrokerUnavailable, DatabaseUnavailable, PartsOver
from jobs.engine.queue import delivery
from jobs.engine.queue.capacity import PART_SECONDS
from jobs.engine.queue.ledger import Claim, Help, Outcome, PartRange, parts
from jobs.engine.worker.item_loop import WorkItem

ALONE_SECONDS = 1.0  # that a worker has a job to itself: shorter ones are never shared
MOST_ITEMS = 5_000  # of a part
MOST_KEPT = 40_000  # items of parts that are not done: they are held in memory
OFFERED = 12  # parts that are free at a time, and two more for each helper
MOST_OFFERED = 200
LOOK_SECONDS = 0.2  # between looks at how the parts stand

log = logging.getLogger("legwork.worker")

Unfinished = Callable[[Iterator[WorkItem]], Iterator[WorkItem]]


@dataclass
class _Part:
    """A part that the leader has published, with its items."""

    items: list[WorkItem]
    state: str = "free"
    helper: int | None = None

    @property
    def first(self) -> int:
        return self.items[0].position

    @property
    def range(self) -> PartRange:
        last = self.items[-1]
        return PartRange(self.first, last.position, self.items[0].key, last.key)


class LeaderFeed:
    """The items of a job for the worker that leads it, and parts of them for others.

    source: all that are left to do. unfinished: filters out the items that have ended.
    """

    def __init__(self, source: Iterator[WorkItem], unfinished: Unfinished, claim: Claim, queue: str):
        self._unfinished = unfinished
        self._source = source
        self._held = claim.job_id, claim.lease
        self._kind, self._queue = claim.kind, queue
        self._parts: dict[int, _Part] = {}  # that are not known to be done, by their first positions
        self._mine: list[int] = []  # taken by the leader and handed out
        self.published = False  # any part
        self._read_all = False
        self._unpublished: list[_Part] = []  # read, and not known to be in the database
        self._broken: Exception | None = None  # what ended the source: raised when what it gave before is done
        self._handed = 0
        self._began = self._looked = time.monotonic()

    def __iter__(self) -> Iterator[WorkItem | None]:
        """The items; None while all that is left is in the hands of helpers."""
        for item in self._source:
            yield item
            self._handed += 1
            if time.monotonic() - self._began > ALONE_SECONDS:
                yield from self._shared()
                return

    def _shared(self) -> Iterator[WorkItem | None]:
        while not (self._read_all and not self._parts and not self._unpublished):
            try:
                self._offer()
                part = self._take()
            except DatabaseUnavailable:  # the writer waits for it too
                part = None
            if part is None:
                yield None
            for item in part or ():
                yield item
                self._handed += 1
        if self._broken is not None:
            raise self._broken

    def _offer(self) -> None:
        """Read on, and publish what was read, until enough parts are free."""
        self._look()
        free = sum(part.state == "free" for part in self._parts.values())
        helpers = len({part.helper for part in self._parts.values() if part.helper is not None})
        wanted = min(OFFERED + 2 * helpers, MOST_OFFERED)
        if not self._unpublished and not self._read_all and free <= wanted // 2:
            self._unpublished = list(itertools.islice(self._cut(), wanted - free))
        if self._unpublished:
            self.published = True
            with postgres.autocommit() as connection:
                parts.publish(connection, *self._held, [part.range for part in self._unpublished])
            self._parts |= {part.first: part for part in self._unpublished}
            self._unpublished = []
            self._ring()

    def _cut(self) -> Iterator[_Part]:
        """Parts of what is left, each of PART_SECONDS at the pace so far."""
        pace = self._handed / max(time.monotonic() - self._began, ALONE_SECONDS)
        size = max(1, min(int(pace * PART_SECONDS), MOST_ITEMS))
        while sum(len(part.items) for part in self._parts.values()) < MOST_KEPT:
            items: list[WorkItem] = []
            try:
                items.extend(itertools.islice(self._source, size))
            except Exception as error:
                self._broken = error
            if items:
                yield _Part(items)
            if len(items) < size:
                self._read_all = True
                return

    def _ring(self) -> None:
        free = [first for first, part in self._parts.items() if part.state == "free"]
        try:
            delivery.call_helpers(self._held[0], self._kind, self._queue, free)
        except BrokerUnavailable as error:
            log.warning("job %s: %s", self._held[0], error)

    def _look(self) -> None:
        """Learn which parts are done and which came back, and call helpers for those that are free."""
        if not self._parts or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        with postgres.autocommit() as connection:
            seen = parts.look(connection, *self._held, list(self._parts))
        for one in seen:
            if one.state == "done":
                del self._parts[one.first]
            else:
                self._parts[one.first].state, self._parts[one.first].helper = one.state, one.helper
        if any(part.state == "free" for part in self._parts.values()):
            self._ring()

    def _take(self) -> Iterator[WorkItem] | None:
        with postgres.autocommit() as connection:
            taken = parts.take_own(connection, *self._held, self._mine)
        self._mine = []
        if taken is None and (lost := self._taken_unheard()) is not None:
            taken = parts.OwnPart(lost, begun=True)
        if taken is None:
            return None
        self._mine = [taken.first]
        items = iter(self._parts.pop(taken.first).items)
        return self._unfinished(items) if taken.begun else items

    def _taken_unheard(self) -> int | None:
        """A part that the leader has taken by a statement whose answer never came: the connection broke."""
        unheard = (first for first, part in self._parts.items() if part.state == "taken" and part.helper is None)
        return next(unheard, None)


@dataclass
class _Taken:
    """A part that a helper has taken. It is done when all of its items have been handed out and recorded."""

    range: PartRange
    handed: int = 0
    recorded: int = 0
    read: bool = False  # all of its items were handed out

    @property
    def done(self) -> bool:
        return self.read and self.recorded == self.handed


@dataclass
class HelperFeed:
    """The items of the parts that this helper takes. `source`: all items of the job, in order, at their positions.

    unfinished: filters out the items that have ended.
    """

    given: Help
    source: Iterator[WorkItem]
    unfinished: Unfinished
    _open: deque[_Taken] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __iter__(self) -> Iterator[WorkItem]:
        part: PartRange | None = self.given.part
        while part is not None:
            yield from self._items(part)
            with postgres.autocommit() as connection:
                part = parts.next_part(connection, self.given, after=part.last)

    def _items(self, part: PartRange) -> Iterator[WorkItem]:
        taken = _Taken(part)
        with self._lock:
            self._open.append(taken)
        for item in self.unfinished(self._stretch(part)):
            with self._lock:
                taken.handed += 1
            yield item
        with self._lock:
            taken.read = True
        self._finish()

    def _stretch(self, part: PartRange) -> Iterator[WorkItem]:
        """The items at these positions. Raises PartsOver where the input reads differently here than it did for the leader."""
        for item in self.source:
            if item.position < part.first:
                continue
            if item.position == part.first and item.key != part.first_key:
                break
            if item.position == part.last and item.key != part.last_key:
                break
            yield item
            if item.position == part.last:
                return
        raise PartsOver("The input reads differently for this worker.", how="failed")

    def recorded(self, outcomes: Sequence[Outcome]) -> None:
        """These are in the database: a part is done with the last of its items."""
        with self._lock:
            for outcome in outcomes:
                for taken in self._open if outcome.state != "started" else ():
                    if taken.range.first <= outcome.position <= taken.range.last:
                        taken.recorded += 1
        self._finish()

    def _finish(self) -> None:
        with self._lock:
            done = [taken for taken in self._open if taken.done]
            self._open = deque(taken for taken in self._open if not taken.done)
        for taken in done:
            with postgres.autocommit() as connection:
                parts.finish_part(connection, self.given.helper, taken.range.first)
