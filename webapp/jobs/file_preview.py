"""Preview of a file: text, rendered Markdown, a table, a picture, a PDF page by page. No script in it can run."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import lru_cache
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request
from markupsafe import Markup
from werkzeug.wsgi import FileWrapper

from jobs.engine import files as engine_files
from jobs.engine import queue
from jobs.engine.db import models
from jobs.engine.errors import BadInput, LegworkError, NotFound
from webapp.http.guards import current_owner
from webapp.jobs import catalogue, files
from webapp.results import table_grid
from webapp.ui import headers, mail_html, markdown

blueprint = Blueprint("looks", __name__)
MOST_TEXT = 64_000  # bytes
MOST_PAGE = 2_000_000
MOST_IMAGE = 20_000_000
MOST_PDF = 50_000_000
PDF = "application/pdf"
MARKDOWN = (".md", ".markdown")
PAGES = (".html", ".htm")
ROWS = 1_000  # of a table that are looked at together
MOST_TABLE = 50_000_000  # bytes of a table whose rows are all shown
KEPT_WINDOWS = 8
RAW_POLICY = "default-src 'none'; sandbox"

TEXTS = (
    ".txt",
    ".md",
    ".markdown",
    ".json",
    ".jsonl",
    ".csv",
    ".tsv",
    ".log",
    ".xml",
    ".yaml",
    ".yml",
    ".html",
    ".sql",
)
_MAGIC = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}


def previewable(file: models.File) -> bool:
    """Whether a preview is possible, by name and type; the preview itself looks at the bytes."""
    if file.media_type in _MAGIC:
        return bool(file.bytes <= MOST_IMAGE)
    if file.media_type == PDF:
        return bool(file.bytes <= MOST_PDF)
    return bool(file.table) or file.name.lower().endswith(TEXTS) or file.media_type.startswith("text/")


@blueprint.app_context_processor
def _words() -> dict[str, Any]:
    return {"previewable": previewable}


@blueprint.get("/files/<file_id>/preview")
def show(file_id: str) -> Response:
    file = engine_files.visible_file(file_id, current_owner())
    if not previewable(file):
        raise NotFound("This file cannot be shown here. Download it to look at it.")
    job = _job_of(file)
    seen = {"framed": True, "text": None} if _is_page(file) else _look(file)
    page = make_response(
        render_template("jobs/file_preview.html", file=file, job=job, titles=catalogue.titles(), **seen)
    )
    if _is_page(file):
        page.headers["Content-Security-Policy"] = mail_html.PAGE_POLICY
    return page


@blueprint.get("/files/<file_id>/framed")
def framed(file_id: str) -> Response:
    """An HTML file for a frame: cleaned, and under a policy that lets nothing run or load."""
    file = engine_files.visible_file(file_id, current_owner())
    if not file.name.lower().endswith(PAGES):
        raise NotFound("This file is no page.")
    return mail_html.framed(_head(file, MOST_PAGE).decode("utf-8", "replace"), mail_html.DOCUMENT)


def _is_page(file: models.File) -> bool:
    return file.name.lower().endswith(PAGES) and file.bytes <= MOST_PAGE and request.args.get("as") != "text"


@blueprint.get("/files/<file_id>/raw")
def raw(file_id: str) -> Response:
    """A picture for the page above; what is none of the four kinds by its first bytes is not given out like this."""
    file = engine_files.visible_file(file_id, current_owner())
    if _image(file) is None:
        raise NotFound("This is not a picture that can be shown.")
    response = Response(FileWrapper(engine_files.open_file(file), files.CHUNK), content_type=file.media_type)
    response.content_length = file.bytes
    response.headers["Content-Security-Policy"] = RAW_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    headers.name_file(response, file.name, "inline")
    return response


def _look(file: models.File) -> dict[str, Any]:
    if file.media_type == PDF:
        return {"image": None, "table": None, "text": None} | _page(file)
    if file.media_type in _MAGIC:
        return {"image": _image(file), "table": None, "text": None}
    if not file.name.lower().endswith((".json", *MARKDOWN)) and (table := _table(file)):
        return {"image": None, "table": table, "text": None}
    shown = _text(file)
    if file.name.lower().endswith(MARKDOWN) and request.args.get("as") != "text":
        shown["laid_out"] = _under_the_title(markdown.render(shown["text"]))
    return {"image": None, "table": None, "markdown": file.name.lower().endswith(MARKDOWN)} | shown


def _under_the_title(html: Markup) -> Markup:
    """Its headings begin at the second level, not below those of a page of answers."""
    return Markup(re.sub(r"(</?h)([456])>", lambda found: f"{found[1]}{int(found[2]) - 2}>", html))  # noqa: S704


def _page(file: models.File) -> dict[str, Any]:
    """The page of a PDF that is asked for, or why it cannot be shown."""
    asked = request.args.get("page", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1
    try:
        return {"page": engine_files.pdf_page(file, number)}
    except BadInput as error:
        return {"trouble": error.message}


def _image(file: models.File) -> str | None:
    """Its type, if its first bytes say the same."""
    starts = _MAGIC.get(file.media_type)
    if starts is None or file.bytes > MOST_IMAGE:
        return None
    head = _head(file, 16)
    webp = file.media_type != "image/webp" or head[8:12] == b"WEBP"
    return str(file.media_type) if head.startswith(starts) and webp else None


def _table(file: models.File) -> dict[str, Any] | None:
    """The grid over so many rows of the table from the one that is asked for; None if the file is no table."""
    if not (file.table or file.name.lower().endswith((".csv", ".tsv", ".jsonl"))):
        return None
    try:
        found = engine_files.describe_table(str(file.id), file.owner)
        if not found or found.get("error") or not found.get("first"):
            return None
        start = _start(request.args.get("from"))
        rows = _window(file.id, file.owner, start) if file.bytes <= MOST_TABLE else found["first_shown"]
    except LegworkError:
        return None
    exact = found["rows"] if found["exact"] else None
    total = start + len(rows) if len(rows) < ROWS and file.bytes <= MOST_TABLE else exact
    shown = table_grid.of_dicts(
        found["columns"], rows, f"/files/{file.id}/preview", request.args, total=total, start=start
    )
    more = len(rows) == ROWS and (total is None or start + ROWS < total)
    return shown | {"further": start + ROWS if more else None, "back": max(start - ROWS, 0) if start else None}


def _start(asked: str | None) -> int:
    place = int(asked) if asked and asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
    return place // ROWS * ROWS


@lru_cache(maxsize=KEPT_WINDOWS)
def _window(file_id: UUID, owner: str, start: int) -> list[dict[str, Any]]:
    """Rows of a file, which never changes: the next choice in the grid reads nothing."""
    return engine_files.table_rows(str(file_id), owner, start, ROWS)


def _text(file: models.File) -> dict[str, Any]:
    head = _head(file, MOST_TEXT)
    text = head.decode("utf-8", "replace")
    if file.name.lower().endswith(".json") and len(head) == file.bytes:
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    return {"text": text.replace("\x00", "\ufffd"), "cut": file.bytes > len(head)}


def _head(file: models.File, count: int) -> bytes:
    with engine_files.open_file(file) as stream:
        return stream.read(count)


def _job_of(file: models.File) -> queue.JobView | None:
    try:
        return queue.readable_job(file.job_id, current_owner()) if file.job_id else None
    except NotFound:
        return None
