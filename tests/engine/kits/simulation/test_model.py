"""Models: periods, correlations, data and scenarios, against what is known of them."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy
import pytest

from jobs.engine.errors import BadInput
from jobs.engine.kits.simulation import OUTCOME, Change, Correlation, Model, distributions, numbers_of
from jobs.engine.kits.simulation.checks import model_errors, parsed
from jobs.engine.kits.simulation.summaries import result
from jobs.engine.kits.simulation.trials import TrialBatches, sizes

NORMAL = {"distribution": "normal", "mean": 0, "sd": 1}
SIZE = 50_000


def model(formula: str, inputs: dict[str, Any], outcomes: dict[str, str] | None = None, **other: Any) -> Model:
    formulas, errors = parsed(formula, outcomes or {}, inputs, other.get("periods") is not None)
    assert not errors
    return Model({name: distributions.parse(value) for name, value in inputs.items()}, formulas, **other)


def trials(of: Model) -> Any:
    return of.trials(numpy.random.default_rng(3), SIZE)


def pair(first: str, second: str, rank: float) -> Correlation:
    return Correlation(first=first, second=second, rank_correlation=rank)


def rank_correlation(a: Any, b: Any) -> float:
    return float(numpy.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1])


def test_correlated_inputs_keep_their_distributions() -> None:
    inputs = {"a": NORMAL, "b": {"distribution": "exponential", "mean": 1}, "c": NORMAL}
    free = model("a + b + c", inputs)
    bound = replace(free, correlations=[pair("a", "b", 0.7), pair("b", "c", -0.4)])
    came, before = trials(bound).inputs, trials(free).inputs
    assert rank_correlation(came["a"], came["b"]) == pytest.approx(0.7, abs=0.01)
    assert rank_correlation(came["b"], came["c"]) == pytest.approx(-0.4, abs=0.01)
    assert rank_correlation(came["a"], came["c"]) == pytest.approx(0, abs=0.02)
    for name in inputs:
        assert (numpy.sort(came[name]) == numpy.sort(before[name])).all()


def test_the_sum_of_correlated_normals_spreads_as_the_books_say() -> None:
    of = model("a + b", {"a": NORMAL, "b": NORMAL}, correlations=[pair("a", "b", 0.5)])
    pearson = 2 * numpy.sin(numpy.pi * 0.5 / 6)
    assert trials(of).outcomes[OUTCOME].std() == pytest.approx(sqrt(2 + 2 * pearson), rel=0.01)


def test_periods_go_on_from_the_one_before() -> None:
    growth = model("previous * (1 + rate)", {"rate": 0.1}, periods=10, start=100.0)
    came = trials(growth)
    assert came.outcomes[OUTCOME] == pytest.approx(100 * 1.1**10)
    assert [float(one[0]) for one in came.course][:2] == pytest.approx([110, 121])
    walk = model("step", {"step": NORMAL}, periods=9, total=True)
    assert trials(walk).outcomes[OUTCOME].std() == pytest.approx(3, rel=0.02)
    same = replace(walk, once=frozenset({"step"}))
    assert trials(same).outcomes[OUTCOME].std() == pytest.approx(9, rel=0.02)
    assert trials(model("period", {}, periods=4, total=True)).outcomes[OUTCOME][0] == 10


def test_outcomes_build_on_each_other_and_scenarios_share_the_samples() -> None:
    changes = [
        Change(scenario="dear", input="cost", how="times", value=2),
        Change(scenario="flat", input="cost", how="is", value=2),
    ]
    inputs = {"cost": {"distribution": "uniform", "low": 1, "high": 3}, "price": 5}
    of = model("margin * 10", inputs, {"margin": "price - cost"}, changes=changes)
    came = trials(of)
    assert came.outcomes[OUTCOME] == pytest.approx(10 * came.outcomes["margin"])
    assert came.scenarios["flat"] == pytest.approx(30)
    assert came.outcomes[OUTCOME] - came.scenarios["dear"] == pytest.approx(10 * came.inputs["cost"])
    batches = dict(enumerate(sizes(5_000)))
    run = TrialBatches(of, 1)
    run.draw_again(batches, lambda: None)
    told = result(run, batches, [50], [20.0, 30.0])
    assert told["below"]["rows"][0][:2] == [20.0, 0.0]
    assert told["below"]["rows"][1][1] == pytest.approx(0.5, abs=0.03)
    assert [row[0] for row in told["outcomes"]["rows"]] == ["margin", OUTCOME]
    given, dear, flat = told["scenarios"]["rows"]
    assert [given[0], dear[0], flat[0]] == ["as given", "dear", "flat"]
    assert dear[-2:] == [pytest.approx(-20, abs=0.5), 0.0] and flat[-1] == pytest.approx(0.5, abs=0.03)


def test_rows_of_data_stay_together() -> None:
    rows = [{"a": str(n), "b": f"${2 * n:,}.00", "c": "x"} for n in range(1, 1_001)] + [{"a": "5", "b": ""}]
    data = numbers_of(rows, ["a", "b"], ",")
    assert len(data["a"]) == 1_000
    columns = {name: {"distribution": "column", "column": name} for name in ("a", "b")}
    came = trials(model("b - 2 * a", columns).with_data(data))
    assert (came.outcomes[OUTCOME] == 0).all()
    assert came.inputs["a"].mean() == pytest.approx(500.5, rel=0.01)
    with pytest.raises(BadInput, match="c holds no numbers: “x”"):
        numbers_of(rows, ["a", "c"], ",")


def test_what_cannot_be_is_named() -> None:
    inputs = {"a": NORMAL, "b": NORMAL, "c": NORMAL, "k": 1, "d": {"distribution": "column", "column": "x"}}
    of = model("a + b + c + k + d", inputs, periods=2)

    def said(**other: Any) -> str:
        return " ".join(error.message for error in model_errors(replace(of, **other)))

    assert said() == ""
    impossible = [pair("a", "b", 0.9), pair("b", "c", 0.9), pair("a", "c", -0.9)]
    assert "No inputs can have all these correlations" in said(correlations=impossible)
    assert "“z” is not among the inputs" in said(correlations=[pair("a", "z", 0.1)])
    assert "k is constant" in said(correlations=[pair("a", "k", 0.1)])
    assert "d is drawn from the data" in said(correlations=[pair("a", "d", 0.1)])
    assert "only one correlation" in said(correlations=[pair("a", "b", 0.1), pair("b", "a", 0.2)])
    assert "draw both once" in said(correlations=[pair("a", "b", 0.1)], once=frozenset({"a"}))
    assert "“z” is not among" in said(changes=[Change(scenario="s", input="z", how="is", value=1)])
    _, errors = parsed("a + period", {"a": "1", "max": "2", "good": "late"}, {"a"}, False)
    told = " ".join(error.message for error in errors)
    for sentence in ("“a” means something else", "“max” is not allowed", "“late” of good", "needs a number of periods"):
        assert sentence in told
