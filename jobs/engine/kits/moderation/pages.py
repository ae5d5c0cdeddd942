"""What a job's pages show: the texts with one verdict, those that say the same as one, and the distribution of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text as sql_text

from jobs.engine import queue
from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import Item
from jobs.engine.kinds import as_text
from jobs.engine.kits.moderation import reviews
from jobs.engine.kits.moderation import thresholds as limits

PAGE = 5  # texts to review on a page, those that are alike as one
LATEST = 5  # decisions and changes
LOOKED_AT = 2_000  # items in the distribution of scores
ALIKE = 100  # texts among which those that are alike are looked for


def job_page(job: JobView, query: Mapping[str, str]) -> dict[str, Any] | None:
    """Variables of the job's page. None while nothing is judged."""
    standing = reviews.review_status(job) if reviews.judges(job) else None
    if standing is None or not standing.judged:
        return None
    verdict = query.get("verdict") if query.get("verdict") in limits.VERDICTS else "review"
    column = str(job.params.get("text_column") if job.params.get("source") else "text")
    rows, before, after, worst_first = _page_of(job, str(verdict), query)
    return {
        "worst_first": worst_first,
        **_alike(rows, column, before=before, after=after, backward=bool(query.get("before"))),
        "standing": standing,
        "verdict": verdict,
        "named": limits.named,
        "severities": limits.SEVERITY_WORDS,
        "column": column,
        "latest": reviews.list_decisions(job, limit=LATEST, in_force=True).rows,
        "changes": reviews.threshold_changes(job, limit=LATEST),
    }


def _page_of(job: JobView, verdict: str, query: Mapping[str, str]) -> tuple[list[Item], bool, bool, bool]:
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


def _alike(rows: Sequence[Item], column: str, *, before: bool, after: bool, backward: bool) -> dict[str, Any]:
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


def score_distribution(job: JobView) -> dict[str, list[int]]:
    """A histogram of the first items' scores for each category: counts for ten intervals from 0 to 1."""
    reviews.check(job)
    found: dict[str, list[int]] = {}
    with postgres.session() as session:
        for row in session.execute(_SPREAD, {"id": job.id, "most": LOOKED_AT}):
            found.setdefault(row.category, [0] * 10)[row.tenth] = row.texts
    return found


_SPREAD = sql_text("""
    select score.key as category, least(floor(cast(score.value as float8) * 10), 9)::int as tenth, count(*) as texts
    from (select output from items where job_id = :id and verdict is not null order by position limit :most) as judged,
        json_each_text(judged.output -> 'scores') as score
    group by 1, 2
""")
