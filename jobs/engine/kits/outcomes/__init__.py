"""Charts of how a job's items ended, for several kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from jobs.engine import queue
from jobs.engine.db.models import Counts
from jobs.engine.kinds import Chart

__all__ = ["ends", "found", "texts"]


def ends(counts: Counts, done: str, title: str, among: Mapping[str, int] | None = None) -> Chart | None:
    """How many items ended in which way, if not all in the same; `among`: of those that are done, the ones with a remark."""
    remarked = dict(among or {})
    every = {done: counts.done - sum(remarked.values()), **remarked}
    every |= {"Failed": counts.failed, "Skipped": counts.skipped, "Unknown": counts.unknown}
    some = {name: count for name, count in every.items() if count}
    return Chart("bars", some, title) if len(some) > 1 else None


def texts(job_id: UUID, column: str) -> dict[str, Chart]:
    """How long the texts in this column of the output are, and how many tokens the rows took."""
    charts = {}
    if lengths := queue.distribution(job_id, column):
        charts["lengths"] = Chart(
            "columns", lengths, "Texts by their length", unit="rows", note="Characters, from the number on."
        )
    if tokens := queue.distribution(job_id):
        charts["tokens_by_row"] = Chart(
            "columns", tokens, "Rows by their tokens", unit="rows", note="Read and written together."
        )
    return charts


def found(measures: Mapping[str, Any], names: Mapping[str, str]) -> Chart | None:
    """The share of held-out items that each method recommended; None if there is only one."""
    shares = {names.get(name, name): 100 * one["recall"] for name, one in measures.items()}
    if len(shares) < 2:
        return None
    return Chart("bars", shares, "Held-out items that were recommended", unit="%", decimals=0)
