"""How many workers are asked for, with the reason, and that asking stays cheap however many jobs have ended."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.queue import capacity, commands
from jobs.engine.queue.capacity import Load, needed

queues = import_module("jobs.engine.operations.queue_figures")  # its package has a function of that name
stock = import_module("jobs.engine.operations.job_counts")


def load(**changed: Any) -> Load:
    values = {"queue": "io", "kind": "nap", "waiting": 0, "running": 0, "oldest_seconds": 0.0, "seconds": 0.5}
    return Load(**values | changed)


class TestNeeded:
    def test_nothing_to_do_takes_nobody(self) -> None:
        assert needed([]).workers == 0
        assert needed([]).reason == "Nothing waits; 0 jobs run."

    def test_what_runs_keeps_its_workers(self) -> None:
        assert needed([load(running=3)]).workers == 3

    def test_work_is_spread_over_the_time_that_is_left(self) -> None:
        assert needed([load(waiting=400)], 10).workers == 20
        assert needed([load(waiting=400)], 100).workers == 2
        assert needed([load(waiting=400, oldest_seconds=90)], 100).workers == 20

    def test_jobs_that_waited_too_long_start_within_a_second(self) -> None:
        assert needed([load(waiting=4, oldest_seconds=1_000)], 10).workers == 2

    def test_there_are_never_more_workers_than_jobs(self) -> None:
        assert needed([load(waiting=3, running=1, seconds=3_600)], 10).workers == 4

    def test_one_short_job_takes_one(self) -> None:
        assert needed([load(waiting=1, seconds=0.0)]).workers == 1

    def test_queues_are_counted_together(self) -> None:
        assert needed([load(waiting=1), load(queue="cpu", waiting=1), load(queue="mail", waiting=1)]).workers == 1

    def test_without_experience_a_length_is_assumed_and_said(self) -> None:
        need = needed([load(waiting=2, seconds=None)])
        assert need.workers == 1
        assert "if one takes 5 s, for none has ended yet" in need.reason

    def test_the_reason_has_the_figures(self) -> None:
        need = needed([load(waiting=400, running=2, oldest_seconds=2.0)], 10)
        assert need.reason == (
            "400 jobs wait, about 200 s of work; the oldest has waited for 2 s and may for 10 s: "
            "that takes 25 beside the 2 at work."
        )

    def test_several_programs_share(self) -> None:
        assert [needed([load(waiting=400)], 10).share(programs) for programs in (1, 3, 0)] == [20, 7, 20]


@pytest.fixture
def loads(environment: Any) -> Any:
    environment(EXTRA_KINDS="tests.sample_kinds")

    def read(*queues: str) -> dict[str, Load]:
        with postgres.session() as session:
            return {load.kind: load for load in capacity.loads(session, queues)}

    return read


def end(kind: str, seconds: float, count: int = 1, state: str = "succeeded") -> None:
    """Jobs that have ended, the last ones just now."""
    _run(
        """insert into jobs (id, kind, params, owner, queue, state, time_limit, started_at, finished_at)
        select gen_random_uuid(), :kind, '{}', 'local', 'cpu', :state, 60,
            now() - make_interval(secs => :seconds + number), now() - make_interval(secs => number)
        from generate_series(1, :count) as number""",
        kind=kind, seconds=seconds, count=count, state=state,
    )  # fmt: skip


def _run(statement: str, **values: object) -> Any:
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = 0"))
        return session.execute(text(statement), values)


class TestLoads:
    def test_due_jobs_are_counted_by_kind_with_their_usual_seconds(self, loads: Any) -> None:
        end("nap", 4.0, 3)
        end("nap", 900.0, 3, state="failed")  # how long a failure takes says nothing
        end("stamp", 8.0)
        for _ in range(2):
            commands.submit("nap", {}, owner="local")
        commands.submit("stubborn", {}, owner="local")
        found = loads("cpu")
        assert (found["nap"].waiting, found["nap"].running, found["nap"].seconds) == (2, 0, pytest.approx(4.0))
        assert found["stubborn"].seconds == pytest.approx(4.0)  # that of its queue
        assert 0 <= found["nap"].oldest_seconds < 60
        assert loads("mail") == {}

    def test_jobs_of_a_paused_queue_wait_for_nobody(self, loads: Any) -> None:
        commands.submit("nap", {}, owner="local")
        _run("insert into paused_queues (queue, paused_by) values ('cpu', 'somebody')")
        assert loads("cpu", "io") == {}

    @pytest.mark.slow
    def test_no_scan_of_what_has_ended(self, loads: Any) -> None:
        end("nap", 1.0, 60_000)
        commands.submit("nap", {}, owner="local")
        _run("analyze jobs")
        read = {name: _jobs_read(getattr(module, name).text) for module, name in STATEMENTS}
        assert {name: nodes for name, nodes in read.items() if "Seq Scan" in {kind for kind, _ in nodes}} == {}
        assert sum(rows for _, rows in read["_LOADS"]) <= 3 * capacity.RECENT + 10
        assert sum(rows for _, rows in read["_WAITS"]) <= 9 * queues.RECENT


STATEMENTS = [
    (capacity, "_LOADS"),
    *((queues, name) for name in ("_WAITING", "_RUNNING", "_WAITS", "_FAILED", "_ENDED")),
    *((stock, name) for name in ("_QUEUED", "_HELD")),
]


def _jobs_read(statement: str) -> list[tuple[str, float]]:
    """How a statement reads the jobs, and how many rows each time."""
    values = {"queues": ["io", "cpu", "mail"], "states": ["succeeded", "failed"]}
    with postgres.session() as session:
        plan = session.execute(text(f"explain (analyze, format json) {statement}"), values).scalar_one()
    nodes = [node for node in _nodes(plan[0]["Plan"]) if node.get("Relation Name") == "jobs"]
    assert nodes
    return [(node["Node Type"], node["Actual Rows"] * node["Actual Loops"]) for node in nodes]


def _nodes(node: dict[str, Any]) -> Any:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)
