"""The content of each tab of a job's page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from jobs.engine import kinds, queue
from jobs.engine.errors import LegworkError
from webapp import forms
from webapp.http.guards import current_owner
from webapp.jobs import drafts, timeline
from webapp.results import blocks, grid, items, table_grid
from webapp.ui import safe_text

TABS = ("result", "items", "files", "log", "input", "timeline")
FORMATS = (("csv", "CSV"), ("jsonl", "JSONL"), ("xlsx", "XLSX"), ("parquet", "Parquet"))
LEVELS = {"warning": ("warning", "error"), "error": ("error",)}  # a filter -> the levels it lets through


class Given(NamedTuple):
    """One param, as it was entered."""

    label: str
    value: str
    long: bool
    files: list[Any]


def content(tab: str, job: queue.JobView, asked: grid.Asked) -> dict[str, Any]:
    """The variables of that tab's template. asked: the query of the page."""
    return _CONTENT[tab](job, asked) | {"formats": FORMATS}


def _result(job: queue.JobView, asked: grid.Asked) -> dict[str, Any]:
    kind = items.kind_of(job)
    files = queue.output_files(job)
    figures, shown = blocks.of_result(job, kind)
    view = kind.view(job, asked) if kind and kind.available else None
    table = (view or {}).get("table")
    found = {
        "files": files,
        "figures": figures,
        "blocks": shown,
        "charts": blocks.beside(shown),
        "result_template": getattr(kind.module, "RESULT_TEMPLATE", None) if kind else None,
        "view": view,
        "table_grid": table_grid.of_table(table, f"/jobs/{job.id}", asked) if table else None,
        "asked_item": (asked_item := asked.get("item", "").replace("\0", "").strip()[:200]),
        "found_item": queue.item(job, asked_item) if asked_item else None,
    }
    if kind is not None and kind.items_apart:
        return found
    rows = grid.view(job, kind, f"/jobs/{job.id}", asked)
    fresh = None if job.ended or not rows["first_page"] or rows["chosen"] else grid.newest(job, rows["all_columns"])
    return found | rows | {"fresh": fresh} | _drawer(job, asked)


def _items(job: queue.JobView, asked: grid.Asked) -> dict[str, Any]:
    return grid.view(job, items.kind_of(job), f"/jobs/{job.id}/items", asked) | _drawer(job, asked)


def _drawer(job: queue.JobView, asked: grid.Asked) -> dict[str, Any]:
    """The article of the item that the address opens over the grid."""
    place = asked.get("open", "")
    if not (place.isascii() and place.isdigit() and len(place) < 13):
        return {}
    return {"article": items.article_of(job, int(place), f"/jobs/{job.id}", asked), "drawn": True}


def _files(job: queue.JobView, asked: grid.Asked) -> dict[str, Any]:
    return {"files": queue.output_files(job)}


def _log(job: queue.JobView, asked: grid.Asked) -> dict[str, Any]:
    level = asked.get("level") if asked.get("level") in LEVELS else None
    q = asked.get("q", "").strip()[:200]
    latest = asked.get("latest") == "1" or not (job.ended or asked.get("after") or asked.get("start"))
    page = queue.read_log(job, after=asked.get("after"), levels=LEVELS.get(level or "", ()), q=q, latest=latest)
    counts = {name: queue.log_count(job, levels, q) for name, levels in {"": (), **LEVELS}.items()}
    asked_for = {"level": level or "", "q": q, "latest": latest, "first_page": not asked.get("after")}
    return asked_for | {"page": page, "level_counts": counts}


def _input(job: queue.JobView, asked: grid.Asked) -> dict[str, Any]:
    return {"given": given(job.kind, job.params)}


def _timeline(job: queue.JobView, asked: grid.Asked) -> dict[str, Any]:
    return timeline.view(job, mine=job.owner == current_owner())


_CONTENT = {"result": _result, "items": _items, "files": _files, "log": _log, "input": _input, "timeline": _timeline}


def given(kind: str, params: Mapping[str, Any]) -> list[Given]:
    """The params of a job or a schedule, in the order of the form."""
    fields = forms.applying(found := _fields(kind), forms.filled(found, params))
    known = [
        (one.name, value, one) for one in fields if (value := forms.value_at(params, one.path)) is not forms.NOTHING
    ]
    heads = {one.path[0] for one in found}
    rest = [(name, value, None) for name, value in params.items() if name not in heads]
    return [_given(*one) for one in [*known, *rest]]


def _fields(kind: str) -> list[forms.Field]:
    try:
        return list(forms.of_kind(kinds.kind(kind)))
    except LegworkError:
        return []


def _given(name: str, value: Any, field: forms.Field | None) -> Given:
    control = field.control if field else "json"
    label = field.label if field else name
    if control in ("file", "files"):
        refs = [value] if isinstance(value, str) else list(value or ())
        return Given(
            label,
            "",
            False,
            [drafts.file_of(ref) or {"id": "", "name": "a file that is gone, or not yours"} for ref in refs if ref],
        )
    if control == "secret":
        return Given(label, "given, and not shown again" if value else "", False, [])
    text = forms.shown(field, value) if field else safe_text.cell(value, 20_000)
    if not field and isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False, indent=2)
    unit = f" {field.unit}" if field and field.unit and value is not None else ""
    return Given(label, f"{text}{unit}", "\n" in text or len(text) > 120, [])
