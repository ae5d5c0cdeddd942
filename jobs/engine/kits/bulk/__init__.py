"""Changes to many documents: selecting them, and undoing the changes."""

from __future__ import annotations

from jobs.engine.kits.bulk import selection, snapshots
from jobs.engine.kits.bulk.selection import Candidate, Selection

__all__ = [
    "Candidate",
    "Selection",
    "selection",
    "snapshots",
]
