"""Reports: figures from a table, and a document from the figures, each in a sandboxed child process."""

from __future__ import annotations

from jobs.engine.kits.reports import measures, planning
from jobs.engine.kits.reports.comparisons import Comparison, of_periods, of_tables
from jobs.engine.kits.reports.filters import Filter, check_filters
from jobs.engine.kits.reports.readings import ReportPlan
from jobs.engine.kits.reports.runner import compute, render
from jobs.engine.kits.reports.writing import Report, check_template, completed, preview

__all__ = [
    "Comparison",
    "Filter",
    "Report",
    "ReportPlan",
    "check_filters",
    "check_template",
    "completed",
    "compute",
    "form_rows",  # imported explicitly, as job_page: they need the database, which the child processes do not load
    "job_page",
    "measures",
    "narrative",  # imported explicitly: it needs the model client, which the child processes do not load
    "of_periods",
    "of_tables",
    "planning",
    "preview",
    "render",
]
