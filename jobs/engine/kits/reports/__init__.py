"""Reports: figures out of a table, and a document out of figures, each in a confined child process."""

from __future__ import annotations

from jobs.engine.kits.reports.runner import compute, render

__all__ = [
    "compute",
    "render",
]
