"""The context of a worker that helps with a job: the kind's run() goes as far as its first `map`, and ends there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from jobs.engine.db import postgres
from jobs.engine.errors import PartsOver
from jobs.engine.queue import ledger, queries
from jobs.engine.queue.ledger import Help
from jobs.engine.worker import item_loop
from jobs.engine.worker.context import Context, RunItems
from jobs.engine.worker.item_loop import WorkItem
from jobs.engine.worker.outcome_writer import OutcomeWriter
from jobs.engine.worker.wide import HelperFeed


class HelperContext(Context):
    """`map` goes through the parts that this helper takes, then raises PartsOver. What the leader tells of the job, this does
    not tell again: progress, table notes, the log before `map`."""

    def __init__(self, claim: ledger.Claim, writer: OutcomeWriter, given: Help):
        super().__init__(claim, writer)
        self._given = given
        self._mapping = False

    @property
    def so_far(self) -> dict[str, Any] | None:
        return None

    @so_far.setter
    def so_far(self, result: dict[str, Any]) -> None:
        """The leader's to tell."""

    def once(self, key: str, function: Callable[[], Any], *, at_most_once: bool = False) -> Any:
        """The result that the leader has stored."""
        with postgres.session() as session:
            known = queries.step_result(session, self.job.job_id, key)
        if known is None:
            raise PartsOver(f"The step “{key}” has not ended.", how="failed")
        return known.result

    def progress(self, done: int | None = None, total: int | None = None, note: str | None = None) -> None:
        """The leader's to tell."""

    def log(self, text: str, level: str = "info") -> None:
        if self._mapping:
            super().log(text, level)

    def _tell(self, name: str, notes: list[str]) -> None:
        """The leader's to tell."""

    def _entries(
        self,
        items: Iterable[Any],
        key: Callable[[Any], str] | None,
        row: Callable[[Any], dict[str, Any]] | None,
        total: int | None,
    ) -> Iterator[WorkItem]:
        return item_loop.entries(items, key, row, self.job.sample, first=self._given.part.first)

    def _left(self, entries: Iterator[WorkItem]) -> NoReturn:
        """Of a loop that is not shared: its items are the leader's."""
        raise PartsOver("The items of this loop are not shared.", how="failed")

    def _share(self, run: RunItems, entries: Iterator[WorkItem], queue: str) -> NoReturn:
        feed = HelperFeed(self._given, entries, self._unfinished)
        self._writer.recorded, self._mapping = feed.recorded, True
        run(iter(feed))
        self._writer.flush()
        raise PartsOver
