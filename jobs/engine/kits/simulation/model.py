"""What a simulation computes: inputs that are drawn, formulas over one or more periods, and scenarios.

All scenarios use the same samples, so that they differ by their changes alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from jobs.engine.kinds.params import param
from jobs.engine.kits.simulation.correlation import Correlation, reordered
from jobs.engine.kits.simulation.distributions import COLUMN, Distribution
from jobs.engine.kits.simulation.formulas import Formula

if TYPE_CHECKING:
    from numpy import ndarray
    from numpy.random import Generator

OUTCOME = "outcome"  # what the main formula's value is called
PERIOD, PREVIOUS = "period", "previous"  # names that formulas over several periods can use

Samples = dict[str, "ndarray"]


class Change(BaseModel):
    """One input of a scenario."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    scenario: str = param("Scenario", min_length=1, max_length=100)
    input: str = param("Input", min_length=1, max_length=100)
    how: Literal["is", "times", "plus"] = param("How", words={"is": "is", "times": "times", "plus": "plus"})
    value: float = param("Number")

    def of(self, drawn: ndarray) -> ndarray:
        import numpy

        if self.how == "is":
            return numpy.full_like(drawn, self.value)
        return drawn * self.value if self.how == "times" else drawn + self.value


@dataclass(frozen=True)
class Trials:
    """The trials of one batch: outcomes by name, those of scenarios by theirs, inputs (means over the periods), the course."""

    outcomes: Samples
    scenarios: Samples
    inputs: Samples
    course: list[ndarray]


@dataclass(frozen=True)
class Model:
    """formulas: in order, each may use those before it; the last is the outcome. columns: of the data, for inputs drawn from it.

    periods: None for a formula without periods. start: `previous` of the first one. total: the outcome is the sum of the periods.
    once: inputs that are drawn once for all periods of a trial.
    """

    inputs: Mapping[str, Distribution]
    formulas: Mapping[str, Formula]
    columns: Mapping[str, Sequence[float]] = field(default_factory=dict)
    correlations: Sequence[Correlation] = ()
    changes: Sequence[Change] = ()
    periods: int | None = None
    start: float = 0.0
    total: bool = False
    once: frozenset[str] = frozenset()

    @property
    def scenarios(self) -> list[str]:
        return list(dict.fromkeys(change.scenario for change in self.changes))

    @property
    def from_data(self) -> list[str]:
        """The columns of the data that inputs are drawn from."""
        return sorted({str(one.params["column"]) for one in self.inputs.values() if one.name == COLUMN})

    def with_data(self, columns: Mapping[str, Sequence[float]]) -> Model:
        return replace(self, columns=columns)

    def trials(self, random: Generator, size: int) -> Trials:
        """So many trials. The same generator gives the same ones."""
        paths = [_Path(self, [])]
        paths += [_Path(self, [one for one in self.changes if one.scenario == name]) for name in self.scenarios]
        sums: Samples = {}
        for period, drawn in enumerate(self._periods(random, size), start=1):
            for path in paths:
                path.step(drawn, period, size)
            sums = {name: values + sums[name] for name, values in drawn.items()} if sums else drawn
        base, *others = paths
        return Trials(
            outcomes=base.values,
            scenarios={name: path.values[OUTCOME] for name, path in zip(self.scenarios, others, strict=True)},
            inputs={name: total / (self.periods or 1) for name, total in sums.items()},
            course=base.course,
        )

    def _periods(self, random: Generator, size: int) -> Iterator[Samples]:
        kept: Samples = {}
        for _ in range(self.periods or 1):
            names = [name for name in self.inputs if name not in kept]
            drawn = self._drawn(random, size, names)
            pairs = [pair for pair in self.correlations if pair.first in drawn]
            drawn = kept | (reordered(drawn, pairs, random) if pairs else drawn)
            kept = {name: values for name, values in drawn.items() if name in self.once}
            yield drawn

    def _drawn(self, random: Generator, size: int, names: Sequence[str]) -> Samples:
        """Inputs from columns are drawn row by row, so that what belongs together stays together."""
        import numpy

        from_data = {name: self.inputs[name].params["column"] for name in names if self.inputs[name].name == COLUMN}
        drawn = {name: self.inputs[name].draw(random, size) for name in names if name not in from_data}
        if from_data:
            rows = random.integers(0, len(self.columns[next(iter(from_data.values()))]), size)
            drawn |= {name: numpy.asarray(self.columns[column])[rows] for name, column in from_data.items()}
        return drawn


class _Path:
    """The values of the formulas under some changes, period by period."""

    def __init__(self, model: Model, changes: Sequence[Change]):
        self._model, self._changes = model, changes
        self.values: Samples = {}
        self.course: list[ndarray] = []

    def step(self, drawn: Samples, period: int, size: int) -> None:
        import numpy

        known = dict(drawn)
        for change in self._changes:
            known[change.input] = change.of(known[change.input])
        if self._model.periods:
            previous = self.course[-1] if self.course else numpy.full(size, self._model.start)
            known |= {PERIOD: numpy.full(size, float(period)), PREVIOUS: previous}
        new = {}
        for name, formula in self._model.formulas.items():
            new[name] = known[name] = numpy.broadcast_to(formula.value(known), size)
        added = self._model.total and self.values
        self.values = {name: values + self.values[name] for name, values in new.items()} if added else new
        self.course.append(new[OUTCOME])
