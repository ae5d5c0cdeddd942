"""The tool `calculate`, which evaluates a formula."""

from __future__ import annotations

import math

from jobs.engine.errors import BadInput
from jobs.engine.kinds.params import param
from jobs.engine.kits.simulation.formulas import CONSTANTS, LONGEST, Formula, FormulaError
from jobs.engine.kits.tools.base import Arguments, Tool, ToolContext, ToolResult


class Calculation(Arguments):
    formula: str = param("Formula", "Such as (price - cost) * 12.", min_length=1, max_length=LONGEST)
    values: dict[str, float] = param("Values", "The number that each name stands for.", default={})


def _run(arguments: Calculation, reach: ToolContext) -> ToolResult:
    formula = _formula(arguments)
    value = float(formula.value({name: arguments.values[name] for name in formula.names}))
    if not math.isfinite(value):
        raise BadInput("The result is not a finite number: too large, or divided by zero.", reason="no_number")
    return ToolResult(f"{value:.15g}")


def _wrong(arguments: Calculation, reach: ToolContext) -> str | None:
    try:
        _formula(arguments)
    except BadInput as error:
        return error.message
    return None


def _formula(arguments: Calculation) -> Formula:
    try:
        formula = Formula(arguments.formula)
    except FormulaError as error:
        raise BadInput(str(error), reason="bad_formula") from None
    missing = [name for name in formula.names if name not in arguments.values and name not in CONSTANTS]
    if missing:
        raise BadInput(f"There is no value for {', '.join(missing)[:200]}. Give it in “values”.", reason="bad_formula")
    return formula


EXAMPLE = {"formula": "(price - cost) * 12", "values": {"price": 5, "cost": 3.5}}
CALCULATE = Tool("calculate", "Calculate the value of a formula.", Calculation, _run, _wrong, EXAMPLE)
