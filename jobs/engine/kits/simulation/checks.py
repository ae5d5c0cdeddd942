"""Why a simulation cannot be run, as sentences for the fields of its form."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jobs.engine.errors import FieldError
from jobs.engine.kits.simulation import correlation, distributions
from jobs.engine.kits.simulation.distributions import COLUMN, Distribution
from jobs.engine.kits.simulation.formulas import CONSTANTS, FUNCTIONS, Formula, FormulaError
from jobs.engine.kits.simulation.model import OUTCOME, PERIOD, PREVIOUS, Model

MOST_INPUTS = 100
_NAME = "use letters, digits and _, but not the name of a function."


def input_errors(inputs: Mapping[str, Any]) -> Iterator[FieldError]:
    """What is wrong with names and distributions of inputs."""
    if len(inputs) > MOST_INPUTS:
        sentence = (
            f"There are {len(inputs):,} inputs; the limit is {MOST_INPUTS}. Leave out those the formula does not use."
        )
        yield FieldError("inputs", sentence)
        return
    for name, value in inputs.items():
        if not _is_name(name):
            yield FieldError("inputs", f"“{name[:40]}” is not allowed as a name: {_NAME}")
            continue
        try:
            distributions.parse(value)
        except ValueError as error:
            yield FieldError("inputs", f"{name}: {error}")


def parsed(
    formula: str, outcomes: Mapping[str, str], inputs: Collection[str], periods: bool
) -> tuple[dict[str, Formula], list[FieldError]]:
    """All formulas in order, the main one last, and what is wrong with them. Each may use the inputs and those before it."""
    known = {*inputs, *((PERIOD, PREVIOUS) if periods else ())}
    formulas: dict[str, Formula] = {}
    errors: list[FieldError] = []
    for name, text in [*outcomes.items(), (OUTCOME, formula)]:
        field = "outcomes" if name in outcomes else "formula"
        if field == "outcomes" and (wrong := _outcome_error(name, known)):
            errors.append(FieldError(field, wrong))
        try:
            formulas[name] = Formula(text)
            errors += _unknown(name, formulas[name], known, inputs, periods)
        except FormulaError as error:
            errors.append(FieldError(field, f"{name}: {error}" if field == "outcomes" else str(error)))
        known.add(name)
    return formulas, errors


def _outcome_error(name: str, known: Collection[str]) -> str | None:
    if not _is_name(name):
        return f"“{name[:40]}” is not allowed as a name: {_NAME}"
    if name in (*known, OUTCOME, PERIOD, PREVIOUS):
        return f"“{name[:40]}” means something else already. Choose another name."
    return None


def _unknown(
    name: str, formula: Formula, known: Collection[str], inputs: Collection[str], periods: bool
) -> Iterator[FieldError]:
    missing = next((one for one in formula.names if one not in known), None)
    if missing in (PERIOD, PREVIOUS) and not periods:
        yield FieldError("periods", f"“{missing}” in a formula needs a number of periods.")
    elif missing:
        there = f"There are: {', '.join(sorted(inputs))}." if inputs else "None is given."
        of = "of the formula" if name == OUTCOME else f"of {name}"
        yield FieldError("inputs", f"“{missing}” {of} is not among the inputs. {there}")


def model_errors(model: Model) -> Iterator[FieldError]:
    """What is wrong with correlations, scenarios and periods of a model whose inputs and formulas are right."""
    for pair in model.correlations:
        names = (pair.first, pair.second)
        if wrong := next((name for name in names if name not in model.inputs), None):
            yield FieldError("correlations", f"“{wrong[:40]}” is not among the inputs that a formula uses.")
        elif pair.first == pair.second:
            yield FieldError("correlations", f"{pair.first} cannot be correlated with itself.")
        elif wrong := next((name for name in names if _is_bound(model.inputs[name])), None):
            sentence = (
                "is drawn from the data with its whole row" if model.inputs[wrong].name == COLUMN else "is constant"
            )
            yield FieldError("correlations", f"{wrong} {sentence}, so it can have no other correlation.")
        elif (pair.first in model.once) != (pair.second in model.once):
            sentence = f"{pair.first} and {pair.second} are correlated: draw both once, or both in each period."
            yield FieldError("once", sentence)
    if len({frozenset((pair.first, pair.second)) for pair in model.correlations}) < len(model.correlations):
        yield FieldError("correlations", "Two inputs have only one correlation with each other.")
    elif correlation.root(correlation.matrix(model.correlations)[1]) is None:
        yield FieldError("correlations", "No inputs can have all these correlations at once. Make them weaker.")
    for change in model.changes:
        if change.input not in model.inputs:
            sentence = f"{change.scenario}: “{change.input[:40]}” is not among the inputs that a formula uses."
            yield FieldError("scenarios", sentence)


def _is_bound(input: Distribution) -> bool:
    return input.name in ("constant", COLUMN)


def _is_name(name: str) -> bool:
    return name.isidentifier() and name not in FUNCTIONS and name not in CONSTANTS
