"""Simulations: distributions, formulas, correlations, periods and scenarios, and what comes out of them."""

from __future__ import annotations

from jobs.engine.kits.simulation import distributions
from jobs.engine.kits.simulation.checks import input_errors, model_errors, parsed
from jobs.engine.kits.simulation.correlation import Correlation
from jobs.engine.kits.simulation.data import numbers_of
from jobs.engine.kits.simulation.formulas import CONSTANTS, FUNCTIONS, Formula, FormulaError
from jobs.engine.kits.simulation.model import OUTCOME, Change, Model
from jobs.engine.kits.simulation.summaries import result
from jobs.engine.kits.simulation.trials import Batches, TrialBatches, sizes

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "OUTCOME",
    "Batches",
    "Change",
    "Correlation",
    "Formula",
    "FormulaError",
    "Model",
    "TrialBatches",
    "distributions",
    "input_errors",
    "model_errors",
    "numbers_of",
    "parsed",
    "result",
    "sizes",
]
