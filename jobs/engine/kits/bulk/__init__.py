"""Changing many documents: which, and how to undo it."""

from __future__ import annotations

from jobs.engine.kits.bulk import selection, snapshots
from jobs.engine.kits.bulk.selection import Candidate, Selection

__all__ = [
    "Candidate",
    "Selection",
    "selection",
    "snapshots",
]
