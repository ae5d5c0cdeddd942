"""Reports: figures from a table, and a document from the figures, each in a sandboxed child process."""

from __future__ import annotations

from jobs.engine.kits.reports import measures
from jobs.engine.kits.reports.readings import ReportPlan
from jobs.engine.kits.reports.runner import compute, render
from jobs.engine.kits.reports.writing import Report, check_template, completed, preview

__all__ = [
    "Report",
    "ReportPlan",
    "check_template",
    "completed",
    "compute",
    "measures",
    "narrative",  # imported explicitly: it needs the model client, which the child processes do not load
    "preview",
    "render",
]
