"""The results of a simulation: of its outcome, of further outcomes, of scenarios, and of its periods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jobs.engine.kinds.columns import ItemColumn
from jobs.engine.kinds.shown import Chart, Table
from jobs.engine.kits.simulation.model import OUTCOME
from jobs.engine.kits.simulation.trials import Batches, TrialBatches, scenario_key

if TYPE_CHECKING:
    from numpy import ndarray

BINS = 40
SHOWN = (0.1, 99.9)  # percentiles that bound the histogram, because a long tail would flatten it


def result(
    trials: TrialBatches, batches: Batches, percentiles: Iterable[float], below: Sequence[float]
) -> dict[str, Any]:
    """All that is known of these batches."""
    shares = sorted(set(percentiles))
    values, model = trials.values(batches), trials.model
    found = summary(values, shares) | {"sensitivity": trials.sensitivity(batches)}
    if below:
        found["below"] = _chances(values, below)
    if len(model.formulas) > 1:
        every = {name: trials.values(batches, name) for name in model.formulas}
        found["outcomes"] = _compared(every, shares, below)
    if model.scenarios:
        every = {name: trials.values(batches, scenario_key(name)) for name in model.scenarios}
        found["scenarios"] = _scenarios(values, every, shares, below)
    if model.periods:
        found |= _course(trials.course(batches), shares)
    return found


def summary(values: ndarray, shares: Sequence[float]) -> dict[str, Any]:
    """The distribution of the outcome."""
    import numpy

    good = values[numpy.isfinite(values)]
    low, high = numpy.percentile(good, SHOWN)
    spread = low < high and numpy.isfinite(high - low)
    counts, edges = numpy.histogram(good, BINS, (low, high)) if spread else ([good.size], [low, high])
    return {
        "trials": int(values.size),
        "mean": float(good.mean()),
        "standard_error": float(good.std() / good.size**0.5),
        "sd": float(good.std()),
        "least": float(good.min()),
        "most": float(good.max()),
        "no_number_share": round(1 - good.size / values.size, 6),
        "percentiles": {
            f"{share:g}": float(at) for share, at in zip(shares, numpy.percentile(good, shares), strict=True)
        },
        "histogram": {"edges": [float(edge) for edge in edges], "counts": [int(count) for count in counts]},
        "convergence": list(_convergence(good)),
    }


def _convergence(good: ndarray) -> Iterator[dict[str, float]]:
    """The mean after increasing numbers of trials, with its 95 % confidence interval."""
    import numpy

    for count in sorted({max(1, int(share)) for share in numpy.geomspace(min(100, good.size), good.size, 20)}):
        some = good[:count]
        mean, half = float(some.mean()), 1.96 * float(some.std()) / count**0.5
        yield {"trials": count, "mean": mean, "low": mean - half, "high": mean + half}


def _chances(values: ndarray, below: Sequence[float]) -> Table:
    heads = (_number("value", "Value"), _share("below", "Chance to be below it"), _share("rest", "Not to be below it"))
    shares = [(at, _below(values, at)) for at in sorted(set(below))]
    return Table(heads, [[at, share, 1 - share] for at, share in shares], "Chances of the outcome")


def _compared(every: dict[str, ndarray], shares: Sequence[float], below: Sequence[float]) -> Table:
    heads = (ItemColumn("name", "Outcome", "word"), *_heads(shares, below))
    rows = [[name, *_figures(values, shares, below)] for name, values in every.items()]
    return Table(heads, rows, "All outcomes")


def _scenarios(base: ndarray, every: dict[str, ndarray], shares: Sequence[float], below: Sequence[float]) -> Table:
    import numpy

    heads = (
        ItemColumn("name", "Scenario", "word"),
        *_heads(shares, below),
        _number("difference", "Mean difference"),
        _share("above", "Chance to be above “as given”"),
    )
    rows: list[list[Any]] = [["as given", *_figures(base, shares, below), None, None]]
    for name, values in every.items():
        both = numpy.isfinite(base) & numpy.isfinite(values)
        difference = (values - base)[both]
        last = [float(difference.mean()), float((difference > 0).mean())] if difference.size else [None, None]
        rows.append([name, *_figures(values, shares, below), *last])
    note = "All scenarios are computed from the same samples."
    return Table(heads, rows, "Scenarios", note)


def _course(course: list[ndarray], shares: Sequence[float]) -> dict[str, Any]:
    heads = (ItemColumn("period", "Period", "number", decimals=0), *_heads(shares, ()))
    rows = [[period, *_figures(values, shares, ())] for period, values in enumerate(course, start=1)]
    line = Chart("line", [(str(row[0]), row[1]) for row in rows], "Mean by period")
    return {"course": line, "periods": Table(heads, rows, f"The {OUTCOME} of each period")}


def _heads(shares: Sequence[float], below: Sequence[float]) -> Iterator[ItemColumn]:
    yield _number("mean", "Mean")
    yield _number("sd", "Standard deviation")
    yield from (_number(f"p{share:g}", f"{share:g}%") for share in shares)
    yield from (_share(f"below_{at:g}", f"Below {at:g}") for at in sorted(set(below)))


def _figures(values: ndarray, shares: Sequence[float], below: Sequence[float]) -> list[float | None]:
    import numpy

    good = values[numpy.isfinite(values)]
    if not good.size:
        return [None] * (2 + len(shares) + len(set(below)))
    at = [float(one) for one in numpy.percentile(good, shares)]
    return [float(good.mean()), float(good.std()), *at, *(_below(good, one) for one in sorted(set(below)))]


def _below(values: ndarray, at: float) -> float:
    import numpy

    good = values[numpy.isfinite(values)]
    return float((good < at).mean())


def _number(name: str, label: str) -> ItemColumn:
    return ItemColumn(name, label, "number")


def _share(name: str, label: str) -> ItemColumn:
    return ItemColumn(name, label, "percent", decimals=2)
