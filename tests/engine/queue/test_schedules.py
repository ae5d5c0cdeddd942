"""Jobs that repeat: when they are due, and that each due time makes exactly one job."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from jobs.engine.db import postgres
from jobs.engine.db.models import Job, Schedule
from jobs.engine.errors import InvalidParams, NotFound, TooMany
from jobs.engine.queue import commands, queries, schedules
from jobs.engine.queue import cron as queue_cron
from jobs.engine.queue.schedules import SchedulePlan
from jobs.engine.worker.clock import Clock
from tests.engine import workers

BERLIN = "Europe/Berlin"


@pytest.fixture(autouse=True)
def specimens(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds,tests.web.sample_kinds")


def plan(cron: str = "0 6 * * *", zone: str = "UTC", kind: str = "nap", **params: object) -> SchedulePlan:
    return SchedulePlan(kind, dict(params), cron, zone)


def made(**more: object) -> Schedule:
    return commands.create_schedule(plan(**more), owner="local")  # type: ignore[arg-type]


def due(schedule: Schedule, seconds: float = 5) -> Schedule:
    """The same schedule with its next time passed."""
    with postgres.session() as session:
        moved = text(
            "update schedules set next_at = date_trunc('second', now()) - make_interval(secs => :s) where id = :id"
        )
        session.execute(moved, {"s": seconds, "id": schedule.id})
    return again(schedule)


def again(schedule: Schedule) -> Schedule:
    return schedules.schedule(schedule.id, schedule.owner)


def jobs_of(schedule: Schedule) -> list[Job]:
    return schedules.scheduled_jobs(schedule).rows


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("cron", "since", "expected"),
    [
        ("30 2 * * *", at(2026, 3, 28, 12), [at(2026, 3, 29, 1), at(2026, 3, 30, 0, 30)]),  # 02:30 is jumped over
        ("30 2 * * *", at(2026, 10, 24, 12), [at(2026, 10, 25, 0, 30), at(2026, 10, 26, 1, 30)]),  # 02:30 comes twice
        ("0 * * * *", at(2026, 10, 24, 23, 30), [at(2026, 10, 25, 0), at(2026, 10, 25, 1), at(2026, 10, 25, 2)]),
        ("0 6 L * *", at(2027, 2, 1), [at(2027, 2, 28, 5), at(2027, 3, 31, 4)]),
        ("0 6 * * 1-5", at(2026, 11, 27, 12), [at(2026, 11, 30, 5)]),
    ],
)
def test_times_are_the_wall_clocks(cron: str, since: datetime, expected: list[datetime]) -> None:
    assert queue_cron.upcoming_runs(cron, BERLIN, len(expected), since) == expected


def test_names_of_usual_times_are_taken() -> None:
    names = ("@daily", "@Hourly", "@weekly", "@monthly", "@yearly", "*/15 * * * *", "0-30/10 * * * *")
    assert [queue_cron.checked_cron(name, "UTC")[0] for name in names] == [
        *("0 0 * * *", "0 * * * *", "0 0 * * 0", "0 0 1 * *", "0 0 1 1 *", "*/15 * * * *", "0-30/10 * * * *"),
    ]


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [
        ("", "UTC", "cron"),
        ("60 * * * *", "UTC", "cron"),
        ("* * * * * *", "UTC", "cron"),
        ("@reboot", "UTC", "cron"),
        ("0 0 31 2 *", "UTC", "cron"),
        ("R R * * *", "UTC", "cron"),
        ("H * * * *", "UTC", "cron"),
        *(
            (cron, "UTC", "cron")
            for cron in ("*/0 * * * *", "*/90 * * * *", "0 */24 * * *", "0 0 */31 * *", "0 0 1 */12 *")
        ),
        *(
            (cron, "UTC", "cron")
            for cron in ("0 0 * * */7", "10-20/15 * * * *", "@every 5m", "0 0 0 * * *", "0 25 * * *")
        ),
        ("٣ * * * *", "UTC", "cron"),
        ("* * * * " + "1," * 500, "UTC", "cron"),
        ("0 6 * * *", "Mars/Olympus", "zone"),
        ("0 6 * * *", "../../etc/passwd", "zone"),
        ("0 6 * * *", "", "zone"),
    ],
)
def test_what_is_no_time_is_refused_in_words(cron: str, zone: str, field: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        made(cron=cron, zone=zone)
    assert [error.field for error in refused.value.errors] == [field]
    assert schedules.list_schedules("local") == []


def test_params_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidParams):
        made(naps=-1)
    with pytest.raises(NotFound):
        made(kind="no_such_kind")


def test_a_due_schedule_makes_one_job_and_moves_on() -> None:
    schedule = due(made(naps=2))
    assert commands.run_due_schedules() == 1
    assert commands.run_due_schedules() == 0
    (job,) = jobs_of(schedule)
    assert (job.kind, job.owner, job.params["naps"], job.state) == ("nap", "local", 2, "queued")
    with postgres.session() as session:
        key = session.scalar(select(Job.idempotency_key).where(Job.id == job.id))
    assert schedule.next_at and key == f"schedule:{schedule.id}:{schedule.next_at.isoformat()}"
    moved = again(schedule)
    assert moved.next_at and moved.next_at > datetime.now(UTC)
    assert moved.ran_at is not None


def test_what_was_missed_while_all_was_down_is_made_up_for_once() -> None:
    schedule = due(made(cron="* * * * *"), seconds=86_400)
    assert [commands.run_due_schedules() for _ in range(3)] == [1, 0, 0]
    assert len(jobs_of(schedule)) == 1


def test_many_clocks_make_one_job() -> None:
    schedule = due(made())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: commands.run_due_schedules(), range(8)))
    assert len(jobs_of(schedule)) == 1


def test_a_clock_that_dies_before_it_moves_on_makes_no_second_job(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = due(made())
    with monkeypatch.context() as dying:
        dying.setattr(schedules, "_move_on", _die)
        with pytest.raises(KeyboardInterrupt):
            commands.run_due_schedules()
    assert again(schedule).next_at == schedule.next_at
    assert commands.run_due_schedules() == 1
    assert len(jobs_of(schedule)) == 1
    moved = again(schedule).next_at
    assert moved is not None and moved > datetime.now(UTC)


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_schedule_that_cannot_run_says_why_and_stops_no_other() -> None:
    broken, sound = due(made()), due(made())
    with postgres.session() as session:
        session.execute(text("update schedules set params = '{\"naps\": -5}' where id = :id"), {"id": broken.id})
    commands.run_due_schedules()
    assert jobs_of(broken) == [] and len(jobs_of(sound)) == 1
    told = again(broken)
    assert told.trouble and told.next_at and told.next_at > datetime.now(UTC)


def test_a_pause_makes_no_job_and_makes_up_for_none() -> None:
    schedule = due(made(cron="* * * * *"))
    schedules.change_schedule(schedule.id, owner="local", paused=True)
    assert commands.run_due_schedules() == 0
    schedules.change_schedule(schedule.id, owner="local", paused=False)
    assert commands.run_due_schedules() == 0
    resumed = again(schedule)
    assert resumed.paused_at is None and resumed.next_at and resumed.next_at > datetime.now(UTC)


def test_other_times_count_from_now() -> None:
    schedule = made(cron="0 6 * * *", zone="UTC")
    changed = schedules.change_schedule(schedule.id, owner="local", zone="Asia/Tokyo")
    assert changed.next_at and changed.next_at.astimezone(UTC).hour == 21
    with pytest.raises(InvalidParams):
        schedules.change_schedule(schedule.id, owner="local", cron="nonsense")
    assert again(schedule).cron == "0 6 * * *"


def test_run_now_is_one_job_a_press() -> None:
    schedule = made()
    first = commands.run_schedule(schedule.id, owner="local", key="a")
    assert commands.run_schedule(schedule.id, owner="local", key="a").id == first.id
    second = commands.run_schedule(schedule.id, owner="local", key="b")
    assert [job.id for job in jobs_of(schedule)] == [second.id, first.id]
    assert schedules.latest_jobs([schedule.id])[schedule.id].id == second.id
    assert again(schedule).next_at == schedule.next_at


def test_its_jobs_outlive_it() -> None:
    schedule = made()
    job = commands.run_schedule(schedule.id, owner="local", key="a")
    schedules.delete_schedule(schedule.id, owner="local")
    assert queries.job(job.id, "local").schedule_id is None
    with pytest.raises(NotFound):
        again(schedule)


def test_others_schedules_are_not_there() -> None:
    schedule = made()
    for act in (
        lambda: schedules.schedule(schedule.id, "other"),
        lambda: schedules.change_schedule(schedule.id, owner="other", paused=True),
        lambda: commands.run_schedule(schedule.id, owner="other", key="a"),
        lambda: schedules.delete_schedule(schedule.id, owner="other"),
        lambda: schedules.schedule("nonsense", "local"),
    ):
        with pytest.raises(NotFound):
            act()


def test_there_is_an_end_to_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "MOST", 1)
    made()
    with pytest.raises(TooMany):
        made()


@pytest.mark.slow
def test_the_clock_does_it_and_a_worker_works() -> None:
    schedule = due(made(naps=1))
    with workers.running("--processes", "1"):
        workers.until(lambda: bool(jobs_of(schedule)))
        assert workers.ended(jobs_of(schedule)[0]).state == "succeeded"


def test_a_tick_runs_what_is_due() -> None:
    schedule = due(made())
    Clock().tick()
    assert len(jobs_of(schedule)) == 1
    assert jobs_of(schedule)[0].delivered_at is not None
    assert timedelta(0) < (again(schedule).next_at or at(1)) - datetime.now(UTC) <= timedelta(days=1)


def test_one_that_is_deleted_while_it_is_due_starts_nothing() -> None:
    schedule = due(made())
    schedules.delete_schedule(schedule.id, owner="local")
    assert schedules._trouble(schedule, commands.submit) is None
    assert jobs_of(schedule) == []
