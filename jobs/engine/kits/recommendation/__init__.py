"""Recommendations from interactions."""

from __future__ import annotations

from jobs.engine.kits.recommendation import interactions, recommenders
from jobs.engine.kits.recommendation.cells import CellReader
from jobs.engine.kits.recommendation.interactions import Gathering, Interactions
from jobs.engine.kits.recommendation.recommenders import Recommender

__all__ = [
    "CellReader",
    "Gathering",
    "Interactions",
    "Recommender",
    "interactions",
    "recommenders",
]
