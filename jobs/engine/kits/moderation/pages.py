"""The texts with one verdict on a job's page: the highest score first, those that say the same as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.engine import queue
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import Item
from jobs.engine.kinds import as_text

PAGE = 5  # texts to review on a page, those that are alike as one
ALIKE = 100  # texts among which those that are alike are looked for


def page_of(job: JobView, verdict: str, query: Mapping[str, str]) -> tuple[list[Item], bool, bool, bool]:
    """Texts with this verdict, the highest score first; of a job with too many to sort, in the order of the input.

    Also whether there are others before and after them, and whether they are sorted.
    """
    after, before = query.get("after"), query.get("before")
    by_score = queue.GridQuery(
        where={"verdict": verdict},
        sort="score",
        numeric=True,
        descending=True,
        parts={"verdict": "output", "score": "output"},
        after=after,
        before=before,
        limit=ALIKE,
    )
    first = queue.grid_page(job, by_score)
    if first.looked is None:
        return first.rows, bool(first.previous), bool(first.next), True
    page = queue.items(job, verdict=verdict, after=after, before=before, limit=ALIKE)
    return page.rows, bool(page.previous), bool(page.next), False


def alike(rows: Sequence[Item], column: str, *, before: bool, after: bool, backward: bool) -> dict[str, Any]:
    """PAGE of these texts, each with the others that say the same: `rows`, and the cursors `next` and `previous`.

    before, after: whether there are others on that side. backward: the last ones rather than the first.
    """
    groups: dict[str, list[Item]] = {}
    for item in rows:
        text = " ".join(as_text((item.input or {}).get(column)).casefold().split())
        groups.setdefault(text or item.key, []).append(item)
    shown = list(groups.values())[-PAGE:] if backward else list(groups.values())[:PAGE]
    more = len(groups) > len(shown)
    last, first = (shown[-1][0], shown[0][0]) if shown else (None, None)
    return {
        "rows": shown,
        "next": f"{last.position}~{last.key}" if last and (after or (more and not backward)) else None,
        "previous": f"{first.position}~{first.key}" if first and (before or (more and backward)) else None,
    }
