"""Run a Monte Carlo simulation of a formula with uncertain inputs.

Each trial draws every input from its distribution, or from a column of your data, and computes the formula. The result is the
distribution of the outcome, the chance to stay below a value, the accuracy of its mean, and which input matters most. Inputs can
be correlated, a formula can go over several periods, and scenarios are compared on the same samples. The same seed gives the same
numbers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from jobs.engine import queue
from jobs.engine.db import postgres
from jobs.engine.kits import simulation
from jobs.engine.kits.simulation import Batches, Change, Correlation, Model, TrialBatches, distributions
from jobs.engine.sdk import (
    BadInput,
    Context,
    Estimate,
    FieldError,
    Find,
    ItemColumn,
    KindResult,
    Recipe,
    ShortText,
    StopRequested,
    TableFile,
    TableParams,
    TimeLimitReached,
    figure,
    param,
)

TITLE = "Simulate"
GROUP = "Data and numbers"
WORDS = "monte carlo, risk, forecast, probability, uncertainty, random, chance, what if, plan, scenario, bootstrap, correlation"
QUEUE = "cpu"
NEEDS = ("numpy",)
NOUN = ("batch", "batches")
RESULT_TEMPLATE = "jobs/results/simulate.html"

VALUES_PER_SECOND = 20_000_000
STOP_SECONDS = 1.5  # for the summary after a stop
TELL_SECONDS, TELL_SHARE = 2.0, 20  # minimum seconds between two summaries, also as a multiple of a summary's duration
MOST_VALUES = 50_000_000  # in memory, of all outcomes and scenarios

FormulaText = Annotated[str, Field(max_length=2_000)]


class Params(TableParams):
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
    below: list[float] = param(
        "Chance to be below",
        "Values of the outcome, such as 0 for a loss.",
        default=[],
        max_length=20,
    )
    trials: int = param("Trials", default=100_000, ge=1, le=10_000_000, unit="trials")
    data: TableFile | None = param(
        "Data",
        "A table whose columns inputs can be drawn from, a whole row at a time.",
        default=None,
        advanced=True,
    )
    outcomes: dict[ShortText, FormulaText] = param(
        "More outcomes",
        "Formulas with a name. Those below them, and the formula above, can use the names.",
        default={},
        max_length=20,
        advanced=True,
    )
    scenarios: list[Change] = param(
        "Scenarios",
        "What is otherwise in a scenario. Several lines with the same name are one scenario.",
        default=[],
        max_length=50,
        advanced=True,
    )
    correlations: list[Correlation] = param(
        "Correlations", "Of inputs that go together. Others are independent.", default=[], max_length=200, advanced=True
    )
    periods: int | None = param(
        "Periods",
        "The formula is computed for each of them: period is its number, previous the outcome of the one before.",
        default=None,
        ge=1,
        le=120,
        unit="periods",
        advanced=True,
    )
    start: float = param(
        "Start", "What “previous” is in the first period.", default=0.0, only_if={"periods": True}, advanced=True
    )
    total: bool = param(
        "Add up the periods", "Otherwise the last one counts.", default=False, only_if={"periods": True}, advanced=True
    )
    once: list[ShortText] = param(
        "Inputs drawn once",
        "They stay the same in all periods of a trial. The others are drawn for each period.",
        default=[],
        max_length=100,
        only_if={"periods": True},
        advanced=True,
    )
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
    "below": [0],
    "trials": 100_000,
    "seed": 7,
}
DEADLINE = {
    "plan": {"distribution": "lognormal_interval", "low": 5, "high": 15, "percent": 90},
    "build": {"distribution": "pert", "low": 15, "mode": 20, "high": 40},
}
SAVINGS = {
    "saved": {"distribution": "pert", "low": 1_000, "mode": 2_400, "high": 3_000},
    "interest": {"distribution": "normal", "mean": 0.05, "sd": 0.12},
}
RECIPES = (
    Recipe("Chance to keep a deadline", {"formula": "plan + build", "inputs": DEADLINE, "below": [30, 40]}),
    Recipe(
        "Savings after ten years",
        {
            "formula": "(previous + saved) * (1 + interest)",
            "inputs": SAVINGS,
            "periods": 10,
            "below": [24_000],
            "scenarios": [{"scenario": "save a tenth more", "input": "saved", "how": "times", "value": 1.1}],
        },
    ),
)


def check(params: Params, find: Find) -> list[FieldError]:
    errors = [
        FieldError("percentiles", f"{share:g} is not a percentile: it must be between 0 and 100.")
        for share in params.percentiles
        if not 0 <= share <= 100
    ]
    errors += simulation.input_errors(params.inputs)
    _, wrong = simulation.parsed(params.formula, params.outcomes, params.inputs, params.periods is not None)
    errors += wrong
    kept = params.trials * (1 + len(params.outcomes) + len({one.scenario for one in params.scenarios}))
    if kept > MOST_VALUES:
        most = MOST_VALUES * params.trials // kept
        errors.append(FieldError("trials", f"With all these outcomes and scenarios, at most {most:,} trials fit."))
    if errors:
        return errors
    model = _model(params)
    unknown = next((name for name in params.once if name not in params.inputs), None)
    errors += [FieldError("once", f"“{unknown}” is not among the inputs.")] if unknown else []
    return [*errors, *simulation.model_errors(model), *_data_errors(params, model, find)]


def estimate(params: Params, find: Find) -> Estimate:
    model = _model(params)
    unused = sorted(set(params.inputs) - set(model.inputs))
    notes = (f"The formula does not use {', '.join(unused)}.",) if unused else ()
    steps = params.trials * (params.periods or 1)
    drawn = steps * (len(model.inputs) + len(model.formulas) * (1 + len(model.scenarios)))
    return Estimate(
        items=len(simulation.sizes(params.trials)), seconds=round(0.5 + drawn / VALUES_PER_SECOND, 1), notes=notes
    )


def label(params: Params, find: Find) -> str:
    return " ".join(params.formula.split())


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    seed = params.seed if params.seed is not None else context.once("seed", lambda: secrets.randbelow(2**53))
    trials = TrialBatches(_model(params, context), int(seed))
    sizes = simulation.sizes(params.trials)
    so_far = SoFar(trials, sizes, params, context)
    try:
        context.map(so_far.batch, list(enumerate(sizes)), row=lambda batch: {"batch": batch[0] + 1, "trials": batch[1]})
        batches = dict(list(enumerate(sizes))[: context.job.sample])
        trials.draw_again(batches, context.check)
    except (StopRequested, TimeLimitReached):
        finished = trials.known | _finished(sizes, context)
        batches = trials.draw_again({number: sizes[number] for number in sorted(finished)}, _patience())
        if batches:
            so_far.tell(batches)
        raise
    result = simulation.result(trials, batches, params.percentiles, params.below)
    return result | {"seed": seed, "seconds": round(time.monotonic() - began, 1)}


class SoFar:
    """Publishes intermediate results during the trials; less often the longer a summary takes."""

    def __init__(self, trials: TrialBatches, sizes: list[int], params: Params, context: Context):
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
        result = simulation.result(self._trials, batches, self._params.percentiles, self._params.below)
        self._context.so_far = result | of_all


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


def _model(params: Params, context: Context | None = None) -> Model:
    """The model of the params; with a context, with the data that its inputs are drawn from."""
    formulas, _ = simulation.parsed(params.formula, params.outcomes, params.inputs, params.periods is not None)
    used = sorted({name for formula in formulas.values() for name in formula.names if name in params.inputs})
    model = Model(
        inputs={name: distributions.parse(params.inputs[name]) for name in used},
        formulas=formulas,
        correlations=params.correlations,
        changes=params.scenarios,
        periods=params.periods,
        start=params.start,
        total=params.total,
        once=frozenset(params.once) if params.periods else frozenset(),
    )
    if context is None or params.data is None or not model.from_data:
        return model
    source = context.open(params.data)
    delimiter = source.table(params.reading).delimiter
    return model.with_data(simulation.numbers_of(source.rows(params.reading), model.from_data, delimiter))


def _data_errors(params: Params, model: Model, find: Find) -> list[FieldError]:
    if not model.from_data:
        return []
    if params.data is None:
        return [FieldError("data", "An input is a value of the data: choose a table.")]
    try:
        columns = find(params.data).table(params.reading).columns
    except BadInput as error:
        return [FieldError("data", error.message)]
    unknown = next((column for column in model.from_data if column not in columns), None)
    some = ", ".join(columns[:12])
    return [FieldError("inputs", f"There is no column “{unknown}” in the data. There are: {some}.")] if unknown else []
