"""Formulas and distributions for simulations."""

from __future__ import annotations

from jobs.engine.kits.simulation import distributions
from jobs.engine.kits.simulation.formulas import CONSTANTS, FUNCTIONS, Formula, FormulaError

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "Formula",
    "FormulaError",
    "distributions",
]
