"""Run a Monte Carlo simulation of a formula with uncertain inputs.

Each trial draws every input from its distribution and computes the formula. The result is the distribution of the outcome, the
accuracy of its mean, and which input matters most. The same seed gives the same numbers.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobs.engine import queue
from jobs.engine.db import postgres
from jobs.engine.kits.simulation import CONSTANTS, FUNCTIONS, Formula, FormulaError, distributions
from jobs.engine.sdk import (
    BadInput,
    Context,
    Estimate,
    FieldError,
    Find,
    ItemColumn,
    JobFailed,
    KindParams,
    KindResult,
    Recipe,
    StopAsked,
    TimeLimitReached,
    figure,
    param,
)

if TYPE_CHECKING:
    from numpy import ndarray

TITLE = "Simulate"
GROUP = "Data and numbers"
WORDS = "monte carlo, risk, forecast, probability, uncertainty, random, chance, what if, plan"
QUEUE = "cpu"
NEEDS = ("numpy",)
NOUN = ("batch", "batches")
RESULT_TEMPLATE = "jobs/results/simulate.html"

LEAST_BATCH, MOST_BATCH = 1_000, 100_000  # trials of a batch
BATCHES = 50  # more if they would be too large
BINS = 40
SHOWN = (0.1, 99.9)  # percentiles that bound the histogram, because a long tail would flatten it
RANKED = 50_000  # trials used for the sensitivity
VALUES_PER_SECOND = 20_000_000
STOP_SECONDS = 1.5  # for the summary after a stop
TELL_SECONDS, TELL_SHARE = 2.0, 20  # minimum seconds between two summaries, also as a multiple of a summary's duration

MOST_INPUTS = 100

Batches = dict[int, int]  # number of a batch -> how many trials it has


class Params(KindParams):
    formula: str = param(
        "Formula",
        "Names, numbers, + - * / **, comparisons, “a if b else c”, min, max, sqrt, exp, log, round, where, clip and others.",
        widget="code",
        min_length=1,
        max_length=2_000,
    )
    inputs: dict[str, distributions.Input] = param(
        "Inputs", "Each name of the formula: a number that is always the same, or a distribution that it is drawn from."
    )
    trials: int = param("Trials", default=100_000, ge=1, le=10_000_000, unit="trials")
    percentiles: list[float] = param(
        "Percentiles", "Shown in the result.", default=[5, 25, 50, 75, 95], min_length=1, max_length=50, advanced=True
    )
    seed: int | None = param(
        "Seed", "The same seed gives the same numbers. Empty: a random one.", default=None, ge=0, lt=2**53, advanced=True
    )  # fmt: skip


ITEMS_APART = True

COLUMNS = (
    ItemColumn("mean", "Mean", "number", decimals=2),
    ItemColumn("sd", "Standard deviation", "number", decimals=2),
    ItemColumn("p5", "5%", "number", decimals=2),
    ItemColumn("p50", "Median", "number", decimals=2),
    ItemColumn("p95", "95%", "number", decimals=2),
    ItemColumn("no_number", "Without a number", "number", decimals=0),
    ItemColumn("trials", "Trials", "number", role="yours"),
    ItemColumn("batch", type="hidden", role="yours"),
)


class Result(KindResult):
    mean: float = figure("Mean", type="number")
    sd: float = figure("Standard deviation", type="number")
    least: float = figure("Least", type="number")
    most: float = figure("Most", type="number")
    trials: int = figure("Trials", type="number")
    of_trials: int = figure("Trials in all", type="number", shown="never")
    standard_error: float = figure("Standard error", type="number", shown="never")
    no_number_share: float = figure("Without a number", type="percent", decimals=2, shown="never")
    seed: int = figure("Seed", type="number", shown="never")
    percentiles: dict[str, float] = figure("Percentiles", shown="never")
    histogram: dict[str, Any] = figure("Distribution", shown="never")
    convergence: list[dict[str, float]] = figure("Convergence", shown="never")
    sensitivity: dict[str, float] = figure("Sensitivity", shown="never")


EXAMPLE = {
    "formula": "units * (price - cost) - rent if open else -rent",
    "inputs": {
        "units": {"distribution": "poisson", "mean": 420},
        "price": {"distribution": "triangular", "low": 18, "mode": 21, "high": 26},
        "cost": {"distribution": "normal", "mean": 12.5, "sd": 1.4},
        "open": {"distribution": "bernoulli", "p": 0.97},
        "rent": 1900,
    },
    "trials": 100_000,
    "seed": 7,
}
DEADLINE = {
    "plan": {"distribution": "triangular", "low": 5, "mode": 8, "high": 15},
    "build": {"distribution": "triangular", "low": 15, "mode": 20, "high": 40},
}
RECIPES = (Recipe("Chance to keep a deadline", {"formula": "plan + build", "inputs": DEADLINE}),)


def check(params: Params, find: Find) -> list[FieldError]:
    errors = [FieldError("inputs", sentence) for sentence in _input_errors(params)]
    errors += [
        FieldError("percentiles", f"{share:g} is not a percentile: it must be between 0 and 100.")
        for share in params.percentiles
        if not 0 <= share <= 100
    ]
    try:
        formula = Formula(params.formula)
    except FormulaError as error:
        return [FieldError("formula", str(error)), *errors]
    missing = [name for name in formula.names if name not in params.inputs]
    if missing:
        known = f"There are: {', '.join(sorted(params.inputs))}." if params.inputs else "None is given."
        errors.append(FieldError("inputs", f"“{missing[0]}” of the formula is not among the inputs. {known}"))
    return errors


def estimate(params: Params, find: Find) -> Estimate:
    unused = sorted(set(params.inputs) - set(Formula(params.formula).names))
    notes = (f"The formula does not use {', '.join(unused)}.",) if unused else ()
    drawn = params.trials * (len(params.inputs) - len(unused) + 1)
    return Estimate(items=len(_sizes(params.trials)), seconds=round(0.5 + drawn / VALUES_PER_SECOND, 1), notes=notes)


def label(params: Params, find: Find) -> str:
    return " ".join(params.formula.split())


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    seed = params.seed if params.seed is not None else context.once("seed", lambda: secrets.randbelow(2**53))
    trials = TrialBatch(params, int(seed))
    sizes = _sizes(params.trials)
    so_far = SoFar(trials, sizes, params, context)
    try:
        context.map(so_far.batch, list(enumerate(sizes)), row=lambda batch: {"batch": batch[0] + 1, "trials": batch[1]})
        batches = dict(list(enumerate(sizes))[: context.job.sample])
        trials.draw_again(batches, context.check)
    except (StopAsked, TimeLimitReached):
        finished = trials.known | _finished(sizes, context)
        batches = trials.draw_again({number: sizes[number] for number in sorted(finished)}, _patience())
        if batches:
            so_far.tell(batches)
        raise
    return _result(trials, batches, params) | {"seed": seed, "seconds": round(time.monotonic() - began, 1)}


class SoFar:
    """Publishes intermediate results during the trials; less often the longer a summary takes."""

    def __init__(self, trials: TrialBatch, sizes: list[int], params: Params, context: Context):
        self._trials, self._sizes, self._params, self._context = trials, sizes, params, context
        self._next = time.monotonic() + TELL_SECONDS

    def batch(self, item: tuple[int, int]) -> dict[str, Any]:
        came = self._trials.batch(item)
        began = time.monotonic()
        if began > self._next:
            self.tell({number: self._sizes[number] for number in sorted(self._trials.known)})
            self._next = began + max(TELL_SECONDS, TELL_SHARE * (time.monotonic() - began))
        return came

    def tell(self, batches: Batches) -> None:
        of_all = {"of_trials": self._params.trials, "seed": self._trials.seed}
        self._context.so_far = _result(self._trials, batches, self._params) | of_all


def _result(trials: TrialBatch, batches: Batches, params: Params) -> dict[str, Any]:
    return _summary(trials.outcomes(batches), params) | {"sensitivity": trials.sensitivity(batches)}


def _finished(sizes: list[int], context: Context) -> set[int]:
    """The recorded batches, including those of earlier attempts."""
    keys = {str(number + 1): number for number in range(len(sizes))}
    with postgres.session() as session:
        done = queue.finished_keys(session, context.job.job_id, list(keys))
    return {keys[key] for key in done}


def _patience() -> Callable[[], None]:
    """A check that raises TimeoutError after STOP_SECONDS, so that the summary does not delay a stop."""
    until = time.monotonic() + STOP_SECONDS

    def check() -> None:
        if time.monotonic() > until:
            raise TimeoutError

    return check


class TrialBatch:
    """The trials of one run, in batches. The samples of a batch depend only on the seed and its number."""

    def __init__(self, params: Params, seed: int):
        self.formula = Formula(params.formula)
        used = {name: params.inputs[name] for name in self.formula.names}
        self.inputs = {name: distributions.parse(value) for name, value in used.items()}
        self.seed = seed
        self._values: dict[int, ndarray] = {}

    def batch(self, item: tuple[int, int]) -> dict[str, Any]:
        """The statistics of one batch. Raises JobFailed if the first one has no finite result."""
        import numpy

        number, size = item
        values = self._outcomes(number, size)
        self._values[number] = values
        good = values[numpy.isfinite(values)]
        if not good.size:
            if number == 0:
                raise JobFailed(self._no_number(size), reason="no_number")
            raise BadInput("No trial of this batch gave a number.")
        low, middle, high = numpy.percentile(good, (5, 50, 95))
        statistics = {"mean": good.mean(), "sd": good.std(), "p5": low, "p50": middle, "p95": high}
        return {name: float(value) for name, value in statistics.items()} | {"no_number": int(values.size - good.size)}

    @property
    def known(self) -> set[int]:
        return set(self._values)

    def draw_again(self, batches: Batches, check: Callable[[], None]) -> Batches:
        """Compute the outcomes of these batches. Those of earlier attempts are drawn again, which is cheaper than storing them.

        Returns the batches that are available: all, unless `check` raises TimeoutError.
        """
        with suppress(TimeoutError):
            for number, size in batches.items():
                if number not in self._values:
                    check()
                    self._values[number] = self._outcomes(number, size)
        return {number: size for number, size in batches.items() if number in self._values}

    def outcomes(self, batches: Batches) -> ndarray:
        import numpy

        return numpy.concatenate([self._values[number] for number in batches] or [numpy.zeros(0)])

    def sensitivity(self, batches: Batches) -> dict[str, float]:
        """Spearman's rank correlation of each uncertain input with the outcome, strongest first."""
        import numpy

        first = _first(batches, RANKED)
        draws = [self._drawn(number, size) for number, size in first.items()]
        values = self.outcomes(first)[:RANKED]
        good = numpy.isfinite(values)
        found = {}
        for name in self.inputs:
            drawn = numpy.concatenate([draw[name] for draw in draws])[:RANKED][good]
            if good.sum() > 2 and numpy.ptp(drawn) > 0 and numpy.ptp(values[good]) > 0:
                found[name] = round(float(numpy.corrcoef(_ranks(drawn), _ranks(values[good]))[0, 1]), 4)
        return dict(sorted(found.items(), key=lambda pair: -abs(pair[1])))

    def _outcomes(self, number: int, size: int) -> ndarray:
        import numpy

        return numpy.broadcast_to(self.formula.value(self._drawn(number, size)), size)

    def _drawn(self, number: int, size: int) -> dict[str, ndarray]:
        import numpy

        random = numpy.random.Generator(numpy.random.PCG64([self.seed, number]))
        return {name: one.draw(random, size) for name, one in self.inputs.items()}

    def _no_number(self, size: int) -> str:
        drawn = {name: values[0] for name, values in self._drawn(0, 1).items()}
        such = ", ".join(f"{name} = {value:.4g}" for name, value in drawn.items())
        return f"None of the first {size:,} trials gave a number, for example with {such}. Check the formula and its inputs."


def _summary(values: ndarray, params: Params) -> dict[str, Any]:
    import numpy

    good = values[numpy.isfinite(values)]
    shares = sorted(set(params.percentiles))
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


def _sizes(trials: int) -> list[int]:
    """The number of trials of each batch."""
    size = min(max(-(-trials // BATCHES), LEAST_BATCH), MOST_BATCH)
    return [min(size, trials - start) for start in range(0, trials, size)]


def _first(batches: Batches, most: int) -> Batches:
    """The batches of the first `most` trials."""
    ends = itertools.accumulate(batches.values())
    return {number: size for (number, size), end in zip(batches.items(), ends, strict=True) if end - size < most}


def _ranks(values: ndarray) -> ndarray:
    """The rank of each value; equal values share their mean rank."""
    import numpy

    _, place, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    return (numpy.cumsum(counts) - (counts - 1) / 2)[place]


def _input_errors(params: Params) -> Iterator[str]:
    if len(params.inputs) > MOST_INPUTS:
        yield f"There are {len(params.inputs):,} inputs; the limit is {MOST_INPUTS}. Leave out those the formula does not use."
        return
    for name, value in params.inputs.items():
        if not name.isidentifier() or name in FUNCTIONS or name in CONSTANTS:
            yield f"“{name[:40]}” is not allowed as a name: use letters, digits and _, but not the name of a function."
            continue
        try:
            distributions.parse(value)
        except ValueError as error:
            yield f"{name}: {error}"
