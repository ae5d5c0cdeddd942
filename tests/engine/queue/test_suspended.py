"""What an account started ends with the account: its schedules pause, its running jobs stop, its waiting jobs wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from jobs.engine import accounts
from jobs.engine.accounts import Account
from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.operations.queue_figures import queues
from jobs.engine.queue import capacity, commands, ledger, notifications, queries, schedules
from jobs.engine.queue import waiting as engine_waiting
from jobs.engine.queue.schedules import SchedulePlan
from jobs.engine.worker.clock import Clock
from tests.engine.workers import messages


@pytest.fixture
def ben(environment: Callable[..., None]) -> Account:
    environment(EXTRA_KINDS="tests.sample_kinds")
    accounts.add("root", "admin", "four plain words here")
    return accounts.add("ben", "member", "four plain words here")


def nap(owner: str) -> JobView:
    return commands.submit("nap", {}, owner=owner, notify=[{"channel": "mail", "target": "ben@example.org"}])


def claimed(job: JobView) -> ledger.Claim | None:
    with postgres.session() as session:
        return ledger.claim(session.connection(), job.id, "a worker")


def needed() -> tuple[int, int]:
    """The jobs of queue cpu that wait, and the workers it takes for them."""
    with postgres.session() as session:
        load = [load for load in capacity.loads(session, ["cpu"]) if load.queue == "cpu"]
        return next(each.waiting for each in queues(session) if each.name == "cpu"), capacity.needed(load, 10).workers


def again(job: JobView) -> JobView:
    return queries.job(job.id, job.owner)


def test_its_jobs_stop_and_wait_until_it_is_reinstated(ben: Account) -> None:
    runs, waits, others = nap(ben.owner), nap(ben.owner), nap("local")
    claim = claimed(runs)
    assert claim is not None
    accounts.suspend(ben.id, by="local")
    assert claimed(waits) is None  # at once; the clock does the rest
    clock = Clock()
    for _ in range(3):  # lost messages are noticed at the second look
        clock.tick()
    assert again(runs).state == "stopping"
    assert again(waits).delivered_at is None and again(others).delivered_at is not None
    assert needed() == (1, 2)  # for the one that stops, and root's
    reason = engine_waiting.why_waiting(again(waits))
    assert reason is not None and reason.code == "suspended"
    with postgres.session() as session:
        ledger.settle(session.connection(), runs.id, claim.lease, "succeeded")
    assert again(runs).state == "cancelled"
    assert not notifications.is_due()
    accounts.resume(ben.id, by="local")
    assert notifications.is_due()
    clock.tick()
    assert again(waits).delivered_at is not None and str(waits.id) in messages("cpu")
    assert claimed(waits) is not None


def _suspend(one: Account) -> None:
    accounts.suspend(one.id, by="local")


def _only_view(one: Account) -> None:
    accounts.change_role(one.id, "viewer", by="local")


@pytest.mark.parametrize(("change", "why"), [(_suspend, "was suspended"), (_only_view, "may only view")])
def test_its_schedules_are_paused_with_the_reason(ben: Account, change: Callable[[Account], None], why: str) -> None:
    plan = SchedulePlan("nap", {}, "* * * * *", "UTC")
    made = [commands.create_schedule(plan, owner=owner) for owner in (ben.owner, "local")]
    change(ben)
    with postgres.session() as session:
        session.execute(text("update schedules set next_at = now() - interval '5 s'"))
    assert commands.run_due_schedules() == 1
    paused, goes_on = [schedules.schedule(one.id, one.owner) for one in made]
    assert schedules.scheduled_jobs(paused).rows == [] and len(schedules.scheduled_jobs(goes_on).rows) == 1
    assert paused.paused_at is not None and paused.trouble == f"Its account {why}, so the schedule is paused."
    assert goes_on.paused_at is None and goes_on.trouble is None
