"""The texts of a job that are most like one that is typed on its page. Nothing is compared in this process: a child does it."""

from __future__ import annotations

from typing import Any

from jobs.engine import queue
from jobs.engine.display import as_text
from jobs.engine.errors import JobFailed, Transient
from jobs.engine.formats.tables import as_shown
from jobs.engine.kits.vectors.likeness import MOST
from jobs.engine.llm.embeddings import cache, warm_child

LONGEST, MOST_NEAR = 2_000, 8  # characters that are typed; texts that are shown as like them


def nearest(job: queue.JobView, column: str, typed: str) -> dict[str, Any] | None:
    """Variables of the page: what was typed, the rows with their likeness, how many were compared, and what went wrong.

    None for a job without vectors in its rows, or of a version that had no such column.
    """
    if not column or not (job.result or {}).get("dimension"):
        return None
    typed = typed.replace("\0", "").strip()[:LONGEST]
    found: dict[str, Any] = {"near": typed, "rows": [], "looked": min(job.done, MOST), "trouble": ""}
    if not typed:
        return found
    rows = [one for one in queue.items(job, state="done", limit=MOST).rows if isinstance(one.input, dict)]
    texts = [as_text(as_shown(one.input or {}).get(column)) for one in rows]
    hashes = [cache.digest(text.encode(errors="replace").decode()) for text in texts]
    model = str((job.result or {}).get("model"))
    known = cache.packed(model, hashes)
    there = [place for place, digest in enumerate(hashes) if digest in known]
    if not there:
        return found | {"looked": 0}
    try:
        near = warm_child.nearest(typed, model, [known[hashes[place]] for place in there], MOST_NEAR)
    except (JobFailed, Transient) as error:
        return found | {"trouble": error.message}
    shown = [(rows[there[at]].position, texts[there[at]], round(likeness, 4)) for at, likeness in near]
    return found | {"rows": shown, "looked": len(there)}
