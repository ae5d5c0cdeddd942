"""What LibreOffice does before, or instead of, the conversion by our own libraries (see formats/libreoffice.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.formats import libreoffice
from jobs.engine.formats.tables import ReadOptions
from jobs.engine.kits.conversion import formats
from jobs.engine.kits.conversion.options import Pdf

WITH_PAGES = ("docx", "doc", "odt", "rtf", "pptx", "ppt", "odp", "xlsx", "xls", "ods")
NEWER = {"doc": "docx", "ppt": "pptx"}
PLAIN = (
    "page_size",
    "landscape",
    "margin_mm",
    "font_size",
    "toc",
    "number_sections",
)  # what LibreOffice takes no notice of
PLAINLY = "Set in a plain look, because LibreOffice is not installed here."
NOT_OPENED = "Set in a plain look, because LibreOffice could not open it."


def prepared(
    source: Path,
    format: str,
    to: str,
    options: dict[str, Any],
    reading: ReadOptions,
    folder: Path,
    check: Callable[[], None] | None,
) -> tuple[Path, str, list[str]]:
    """The file to go on with, its format, which is `to` where nothing is left to do, and remarks. Raises BadInput."""
    if format not in WITH_PAGES:
        return source, format, []
    is_needed = format in formats.OLD_OFFICE or formats.FORMATS[format].family == "slides"
    if to == "pdf" and (is_needed or (options["look"] == "own" and not reading)):
        return _set(source, format, options, folder, check, is_needed)
    if formats.FORMATS[format].family == "slides" and to in formats.DRAWN:
        return libreoffice.convert(source, format, "pdf", folder, check), "pdf", []
    if format in NEWER:
        return libreoffice.convert(source, format, NEWER[format], folder, check), NEWER[format], []
    return source, format, []


def _set(
    source: Path,
    format: str,
    options: dict[str, Any],
    folder: Path,
    check: Callable[[], None] | None,
    is_needed: bool,
) -> tuple[Path, str, list[str]]:
    """The file as PDF; the file itself, and why, where LibreOffice cannot make one and others can."""
    if libreoffice.program() is None and not is_needed:
        return source, format, [PLAINLY]
    try:
        made = libreoffice.convert(source, format, "pdf", folder, check)
    except BadInput:
        if is_needed:
            raise
        return source, format, [NOT_OPENED]
    unused = [name for name in PLAIN if options[name] != Pdf.model_fields[name].default]
    said = (
        f"The options {', '.join(unused)} were not used: the file has its own pages. The option look=plain uses them."
    )
    return made, "pdf", [said] if unused else []
