"""Reports: figures out of a table, and a document out of figures, each in a confined child process."""

from __future__ import annotations

from jobs.engine.kits.reports import measures
from jobs.engine.kits.reports.figures import ReportPlan
from jobs.engine.kits.reports.runner import compute, render
from jobs.engine.kits.reports.writing import Report, check_template, preview

__all__ = [
    "Report",
    "ReportPlan",
    "check_template",
    "compute",
    "measures",
    "narrative",  # imported by who asks for it: it needs the model client, and children start here
    "preview",
    "render",
]
