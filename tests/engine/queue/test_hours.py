"""Hours are counted once, when they are over, and outlive the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from jobs.engine import operations
from jobs.engine.db import postgres
from jobs.engine.kinds import catalogue
from jobs.engine.queue import commands, ledger
from tests.conftest import House

AGES = (10, 70, 70, 26 * 60, 26 * 60, 15 * 24 * 60)  # minutes since the jobs ended


@pytest.fixture(autouse=True)
def ended(house: House) -> Iterator[None]:
    with house(EXTRA_KINDS="tests.sample_kinds"):
        for number, age in enumerate(AGES):
            job = commands.submit("nap", {}, owner="local")
            sql(
                "update jobs set state = :state, finished_at = now() - make_interval(mins => :age), completion_tokens = 7 "
                "where id = :id",
                id=job.id, age=age, state="failed" if number == 1 else "succeeded",
            )  # fmt: skip
        yield


def sql(statement: str, **values: Any) -> Any:
    with postgres.session() as session:
        found = session.execute(text(statement), values)
        return found.all() if found.returns_rows else None


def count() -> int:
    with postgres.session() as session:
        return ledger.count_hours(session.connection(), catalogue.queues())


def shown() -> list[tuple[int, int, int]]:
    """The sums of the day and of the week."""
    spans: tuple[operations.Span, ...] = ("day", "week")
    parts = [operations.what_ended(span) for span in spans]
    return [tuple(sum(getattr(one, name) for one in some) for name in ("ended", "failed", "tokens")) for some in parts]  # type: ignore[misc]


def test_an_hour_is_counted_once_and_outlives_its_jobs() -> None:
    before = shown()
    assert before == [(3, 1, 21), (5, 1, 35)]
    while count():
        assert shown() == before, "some hours are counted, the rest is read from the jobs"
    (rows, newest) = sql("select count(*), max(hour) < now() - interval '1 hour' from queue_hours")[0]
    assert newest and rows % len(catalogue.queues()) == 0 and rows > 13 * 24
    sql("delete from jobs where finished_at < now() - interval '20 hours'")
    assert shown() == before
    sql("update queue_hours set hour = hour - interval '14 days'")
    count()
    assert sql("select count(*) from queue_hours where hour < now() - interval '14 days'") == [(0,)]
