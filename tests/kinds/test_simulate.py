"""Simulations: against results that are known, with what goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from jobs import simulate
from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.errors import RunEnded, ShuttingDown, StopRequested
from jobs.engine.kinds import estimates
from jobs.engine.kits.simulation import summaries
from jobs.engine.queue import commands, ledger, queries
from jobs.engine.worker.run import Run
from tests.kinds.job_runs import OWNER, done, errors, give_back, items, run, upload
from webapp.app import create_app

SUM = {
    "formula": "a + 2 * b",
    "inputs": {
        "a": {"distribution": "normal", "mean": 1, "sd": 1},
        "b": {"distribution": "normal", "mean": 3, "sd": 1},
    },
}


def result(**params: Any) -> dict[str, Any]:
    job = done("simulate", **(SUM | params))
    assert job.state == "succeeded"
    return dict(job.result)


def test_a_sum_of_normals_is_as_the_books_say(environment: Callable[..., None]) -> None:
    told = result(trials=200_000, seed=1, percentiles=[2.5, 50, 97.5])
    assert told["mean"] == pytest.approx(7, abs=0.02)
    assert told["sd"] == pytest.approx(math.sqrt(5), abs=0.02)
    assert told["standard_error"] == pytest.approx(math.sqrt(5 / 200_000), rel=0.02)
    assert told["percentiles"]["97.5"] == pytest.approx(7 + 1.96 * math.sqrt(5), abs=0.05)
    assert told["sensitivity"]["b"] == pytest.approx(6 / math.pi * math.asin(2 / math.sqrt(5) / 2), abs=0.01)
    assert 0.99 < sum(told["histogram"]["counts"]) / 200_000 < 1
    last = told["convergence"][-1]
    assert (last["trials"], last["mean"]) == (200_000, told["mean"])
    assert last["low"] < 7 < last["high"]


def test_the_same_seed_gives_the_same_numbers(environment: Callable[..., None]) -> None:
    first, second, other = (result(trials=3_000, seed=seed) for seed in (5, 5, 6))
    assert first | {"seconds": 0} == second | {"seconds": 0}
    assert first["mean"] != other["mean"]
    drawn = result(trials=3_000)
    assert result(trials=3_000, seed=drawn["seed"])["mean"] == drawn["mean"]


def test_its_page_draws_it(environment: Callable[..., None]) -> None:
    job = done("simulate", **simulate.EXAMPLE)
    page = create_app({"TESTING": True}).test_client().get(f"/jobs/{job.id}").text
    assert page.count("<rect x=") >= summaries.BINS and "<polyline" in page and "style=" not in page.split("<main")[1]
    assert "Convergence of the mean" in page and "<code>price</code>" in page
    constant = done("simulate", formula="n / 3", inputs={"n": 5}, trials=10)
    assert constant.result["mean"] == pytest.approx(5 / 3)
    assert create_app({"TESTING": True}).test_client().get(f"/jobs/{constant.id}").status_code == 200


def test_what_gives_no_number_is_counted_or_ends_it(environment: Callable[..., None]) -> None:
    inputs = {"x": {"distribution": "uniform", "low": -1, "high": 3}}
    job = done("simulate", formula="sqrt(x)", inputs=inputs, trials=40_000, seed=2)
    assert job.result["no_number_share"] == pytest.approx(0.25, abs=0.01)
    assert job.result["least"] >= 0
    never = done("simulate", formula="log(x - 9)", inputs=inputs, trials=100_000)
    assert (never.state, never.reason, never.done) == ("failed", "no_number", 0)
    assert "None of the first 2,000 trials gave a number, for example with x = " in str(never.message)


def test_a_stop_keeps_the_batches_that_are_done(environment: Callable[..., None]) -> None:
    job = commands.submit("simulate", SUM | {"trials": 50_000, "seed": 3}, owner=OWNER)
    _run_until(job, 5)
    stopped = items(job)
    assert 5 <= len(stopped) < 50
    assert stopped[0].output["mean"] == pytest.approx(7, abs=0.5)
    so_far = queries.job(job.id, OWNER).result
    assert (so_far["trials"], so_far["of_trials"]) == (1_000 * len(stopped), 50_000)
    assert so_far["mean"] == pytest.approx(sum(one.output["mean"] for one in stopped) / len(stopped))
    assert sum(so_far["histogram"]["counts"]) > 0.99 * so_far["trials"]
    assert so_far["convergence"][-1]["trials"] == so_far["trials"]
    assert list(so_far["percentiles"]) == ["5", "25", "50", "75", "95"]
    assert list(so_far["sensitivity"]) == ["b", "a"]
    page = create_app({"TESTING": True}).test_client().get(f"/jobs/{job.id}").text
    assert f"of the {so_far['trials']:,} trials of 50,000 that were done" in page


@pytest.mark.slow
def test_what_it_comes_to_is_told_meanwhile(environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """And stays if the process is killed before it could sum up."""
    monkeypatch.setattr(simulate, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(simulate, "TELL_SHARE", 0)
    job = commands.submit("simulate", SUM | {"trials": 50_000, "seed": 3}, owner=OWNER)
    _run_until(job, 5, ShuttingDown())
    so_far = queries.job(job.id, OWNER).result
    assert so_far["of_trials"] == 50_000
    assert 1_000 <= so_far["trials"] < 50_000
    assert so_far["mean"] == pytest.approx(7, abs=0.5)
    page = create_app({"TESTING": True}).test_client().get(f"/jobs/{job.id}").text
    assert "that are done so far" in page
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "test")
        assert claim
        ledger.record(session.connection(), job.id, claim.lease, ledger.Batch(progress={"result": '{"trials": 1}'}))
        ledger.ask_stop(session.connection(), job.id)
        ledger.settle(session.connection(), job.id, claim.lease, "cancelled")  # as its parent does, that killed it
    assert queries.job(job.id, OWNER).result == {"trials": 1}
    assert "of_trials" not in result(trials=50_000, seed=3)


def test_a_stop_after_a_kill_counts_what_was_done_before(environment: Callable[..., None]) -> None:
    job = commands.submit("simulate", SUM | {"trials": 50_000, "seed": 3}, owner=OWNER)
    _run_until(job, 5, ShuttingDown())
    before = len(items(job))
    assert before >= 5
    _run_until(job, 3, StopRequested())
    so_far = queries.job(job.id, OWNER).result
    assert so_far["trials"] == 1_000 * len(items(job)) >= 1_000 * (before + 3)


@pytest.mark.slow
def test_an_attempt_after_a_kill_has_all_the_trials(environment: Callable[..., None]) -> None:
    whole = result(trials=50_000, seed=3)
    job = commands.submit("simulate", SUM | {"trials": 50_000, "seed": 3}, owner=OWNER)
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "test")
    assert claim
    attempt = Run(claim)
    attempt.shut_down()
    attempt.work()
    give_back(attempt)
    assert run(job).result | {"seconds": 0} == whole | {"seconds": 0}


def _run_until(job: Job, batches: int, end: RunEnded | None = None) -> None:
    """One attempt that is ended after so many batches, by a stop if nothing else is said."""
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "test")
    assert claim
    attempt = Run(claim)
    put, seen = attempt.writer.put, []

    def counting(*given: Any) -> None:
        seen.append(given)
        put(*given)
        if len(seen) == batches:
            attempt.writer.end(end or StopRequested())

    attempt.writer.put = counting  # type: ignore[method-assign]
    attempt.work()
    if isinstance(end, ShuttingDown):
        give_back(attempt)
    else:
        assert attempt.settle() == "cancelled"


def test_a_try_takes_the_first_batches(environment: Callable[..., None]) -> None:
    job = done("simulate", sample=2, **SUM, trials=100_000)
    assert (job.state, job.done, job.result["trials"]) == ("succeeded", 2, 4_000)


def test_wrong_params_are_named(environment: Callable[..., None]) -> None:
    wrong = errors("simulate", formula="a + c", inputs=SUM["inputs"] | {"max": 1, "b": {"distribution": "normal"}})
    assert "“c” of the formula is not among the inputs. There are: a, b, max." in wrong["inputs"]
    many = errors("simulate", formula="open('x')", inputs={}, percentiles=[101])
    assert "There is no function “open”" in many["formula"]
    assert "101 is not a percentile" in many["percentiles"]
    estimate = estimates.estimate("simulate", SUM | {"inputs": SUM["inputs"] | {"spare": 1}}, owner=OWNER)
    assert estimate is not None and estimate.notes == ("The formula does not use spare.",)


def test_periods_data_and_scenarios_come_out_as_tables(environment: Callable[..., None]) -> None:
    table = upload(b"sold,month\n10,1\n20,2\nnone,3\n30,4\n", "sold.csv")
    given: dict[str, Any] = {
        "formula": "previous + gain",
        "outcomes": {"gain": "sold * price"},
        "inputs": {"sold": {"distribution": "column", "column": "sold"}, "price": 2},
        "data": table,
        "periods": 3,
        "below": [120],
        "scenarios": [{"scenario": "dear", "input": "price", "how": "plus", "value": 1}],
        "seed": 4,
        "trials": 20_000,
    }
    job = done("simulate", **given)
    assert (job.state, job.result["mean"]) == ("succeeded", pytest.approx(120, rel=0.02))
    assert [row[0] for row in job.result["periods"]["rows"]] == [1, 2, 3]
    assert job.result["scenarios"]["rows"][1][1] == pytest.approx(180, rel=0.02)
    page = create_app({"TESTING": True}).test_client().get(f"/jobs/{job.id}").text
    assert "Chance to be below it" in page and "dear" in page and "Mean by period" in page
    assert "choose a table" in errors("simulate", **(given | {"data": None}))["data"]
    no_column = given | {"inputs": {"sold": {"distribution": "column", "column": "x"}, "price": 2}}
    assert "There is no column “x” in the data." in errors("simulate", **no_column)["inputs"]
