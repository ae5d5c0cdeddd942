"""The trials of one simulation, in batches, and what is computed from all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput, JobFailed
from jobs.engine.kits.simulation.model import OUTCOME, Model, Trials

if TYPE_CHECKING:
    from numpy import ndarray

LEAST_BATCH, MOST_BATCH = 1_000, 100_000  # trials of a batch
BATCHES = 50  # more if they would be too large
RANKED = 50_000  # trials used for the sensitivity, and for the course over the periods

Batches = dict[int, int]  # number of a batch -> how many trials it has


def sizes(trials: int) -> list[int]:
    """The number of trials of each batch."""
    size = min(max(-(-trials // BATCHES), LEAST_BATCH), MOST_BATCH)
    return [min(size, trials - start) for start in range(0, trials, size)]


class TrialBatches:
    """The trials of one run. The samples of a batch depend only on the seed and its number."""

    def __init__(self, model: Model, seed: int):
        self.model, self.seed = model, seed
        self._values: dict[int, dict[str, ndarray]] = {}

    def batch(self, item: tuple[int, int]) -> dict[str, Any]:
        """The statistics of one batch. Raises JobFailed if the first one has no finite result."""
        import numpy

        number, size = item
        values = self._kept(number, size)[OUTCOME]
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
                    self._kept(number, size)
        return {number: size for number, size in batches.items() if number in self._values}

    def values(self, batches: Batches, name: str = OUTCOME) -> ndarray:
        """The values of an outcome or a scenario in these batches."""
        import numpy

        return numpy.concatenate([self._values[number][name] for number in batches] or [numpy.zeros(0)])

    def sensitivity(self, batches: Batches) -> dict[str, float]:
        """Spearman's rank correlation of each uncertain input with the outcome, strongest first."""
        import numpy

        first = _first(batches, RANKED)
        drawn = [self._trials(number, size).inputs for number, size in first.items()]
        values = self.values(first)[:RANKED]
        good = numpy.isfinite(values)
        found = {}
        for name in self.model.inputs:
            samples = numpy.concatenate([one[name] for one in drawn])[:RANKED][good]
            if good.sum() > 2 and numpy.ptp(samples) > 0 and numpy.ptp(values[good]) > 0:
                found[name] = round(float(numpy.corrcoef(_ranks(samples), _ranks(values[good]))[0, 1]), 4)
        return dict(sorted(found.items(), key=lambda pair: -abs(pair[1])))

    def course(self, batches: Batches) -> list[ndarray]:
        """The outcome in each period."""
        import numpy

        each = [self._trials(number, size).course for number, size in _first(batches, RANKED).items()]
        return [numpy.concatenate(period) for period in zip(*each, strict=True)]

    def _kept(self, number: int, size: int) -> dict[str, ndarray]:
        came = self._trials(number, size)
        self._values[number] = came.outcomes | {scenario_key(name): one for name, one in came.scenarios.items()}
        return self._values[number]

    def _trials(self, number: int, size: int) -> Trials:
        import numpy

        return self.model.trials(numpy.random.Generator(numpy.random.PCG64([self.seed, number])), size)

    def _no_number(self, size: int) -> str:
        drawn = {name: values[0] for name, values in self._trials(0, 1).inputs.items()}
        such = ", ".join(f"{name} = {value:.4g}" for name, value in drawn.items())
        return f"None of the first {size:,} trials gave a number, for example with {such}. Check the formula and its inputs."


def scenario_key(name: str) -> str:
    """What `TrialBatches.values` calls a scenario: no name of an outcome has a blank."""
    return f"scenario {name}"


def _first(batches: Batches, most: int) -> Batches:
    """The batches of the first `most` trials."""
    ends = itertools.accumulate(batches.values())
    return {number: size for (number, size), end in zip(batches.items(), ends, strict=True) if end - size < most}


def _ranks(values: ndarray) -> ndarray:
    """The rank of each value; equal values share their mean rank."""
    import numpy

    _, place, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    return (numpy.cumsum(counts) - (counts - 1) / 2)[place]
