"""Recommendations from interactions."""

from __future__ import annotations

from jobs.engine.kits.recommendation import interactions, recommenders
from jobs.engine.kits.recommendation.interactions import Gathering, Interactions
from jobs.engine.kits.recommendation.recommenders import Recommender

__all__ = [
    "Gathering",
    "Interactions",
    "Recommender",
    "interactions",
    "recommenders",
]
