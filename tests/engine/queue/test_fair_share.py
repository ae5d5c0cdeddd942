"""Owners take turns in a queue, and none may have it all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.errors import TooMany
from jobs.engine.queue import commands, delivery, fair_share, lists, queries, waiting
from jobs.engine.queue.fair_share import WaitingOwner
from tests.engine import workers
from tests.engine.workers import until


@pytest.fixture(autouse=True)
def _specimens(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds")


def _naps(owner: str, count: int) -> list[Job]:
    return [commands.submit("nap", {"naps": 1, "seconds": 0}, owner=owner) for _ in range(count)]


def _in_order() -> list[str]:
    """The owners of the jobs that began, as they began."""
    with postgres.session() as session:
        rows = session.execute(
            text("select owner from attempts join jobs on jobs.id = job_id order by attempts.started_at")
        )
        return list(rows.scalars())


def test_the_one_with_fewest_running_comes_first_then_who_waited_longest_for_a_turn() -> None:
    ids = [job.id for job in _naps("x", 3)]
    many, none, other = (
        WaitingOwner("many", ids[0], 2),
        WaitingOwner("none", ids[1], 0),
        WaitingOwner("other", ids[2], 0),
    )
    assert fair_share.next_owner([many, none, other], {}) == none
    assert fair_share.next_owner([many, none, other], {"none": 5}) == other
    assert fair_share.next_owner([many, none, other], {"none": 5, "other": 9}) == none
    assert fair_share.next_owner([many], {"many": 1}) == many


def test_everybody_who_waits_is_seen_whatever_their_number_of_jobs() -> None:
    first = {owner: _naps(owner, count)[0].id for owner, count in (("b", 30), ("a", 1), ("c", 2))}
    later = commands.submit("nap", {"naps": 1}, owner="d", run_at=datetime.now(UTC) + timedelta(days=1))
    with postgres.session() as session:
        found = fair_share.waiting_owners(session.connection(), later.queue)
    assert {one.owner: one.job_id for one in found} == first
    assert all(one.running == 0 for one in found)


@pytest.mark.slow
def test_one_with_many_jobs_does_not_starve_another() -> None:
    crowd = _naps("crowd", 9)
    single, pair = _naps("single", 1), _naps("pair", 2)
    with workers.running("--processes", "1"):
        until(lambda: all(queries.job(job.id, job.owner).ended for job in [*crowd, *single, *pair]), 150)
    order = _in_order()
    assert len(order) == 12  # each once
    assert order.index("single") <= 3
    assert max(place for place, owner in enumerate(order) if owner == "pair") <= 6


@pytest.mark.slow
def test_owners_share_many_workers_too_and_nothing_is_lost_or_done_twice() -> None:
    made = [job for owner in ("a", "b", "c") for job in _naps(owner, 4)]
    with workers.running("--processes", "3"):
        until(lambda: all(queries.job(job.id, job.owner).ended for job in made), 150)
    order = _in_order()
    assert sorted(order) == sorted(["a", "b", "c"] * 4)
    assert {"a", "b", "c"} <= set(order[:7])
    assert delivery.waiting_count(made[0].queue) == 0


@pytest.mark.slow
def test_a_page_counts_the_turns_of_others_not_their_jobs() -> None:
    _naps("crowd", 30)
    mine = _naps("single", 3)
    with workers.running("--queues", "mail", "--processes", "1"):
        until(lambda: "mail" in queries.served_queues())
        places = [waiting.why_waiting(queries.job(job.id, "single")) for job in mine]
    assert [place and place.position for place in places] == [1, 3, 5]


# Limits.


def test_more_jobs_than_may_wait_are_refused(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds", MAX_WAITING_JOBS="3")
    _naps("a", 3)
    with pytest.raises(TooMany, match="3 of your jobs are waiting"):
        _naps("a", 1)
    assert len(lists.list_jobs("a").rows) == 3
    _naps("b", 1)
    commands.cancel(lists.list_jobs("a").rows[0].id, owner="a")
    _naps("a", 1)
