"""Recommendations from interactions."""

from __future__ import annotations

from jobs.engine.kits.recommendation import interactions, recommenders
from jobs.engine.kits.recommendation.advice import Advisor, Wishes
from jobs.engine.kits.recommendation.cells import CellReader
from jobs.engine.kits.recommendation.content import WithNewItems, features_of
from jobs.engine.kits.recommendation.interactions import Gathering, Interactions
from jobs.engine.kits.recommendation.recommenders import Recommender

__all__ = [
    "Advisor",
    "CellReader",
    "Gathering",
    "Interactions",
    "Recommender",
    "Wishes",
    "WithNewItems",
    "features_of",
    "interactions",
    "recommenders",
]
