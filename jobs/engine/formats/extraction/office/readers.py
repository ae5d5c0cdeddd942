"""Office documents and books: pandoc for running text, the readers beside this file for slides, sheets and drawings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jobs.engine.formats.extraction.markup import by_pandoc
from jobs.engine.formats.extraction.office import opendocument, rtf, sheets, slides, unpacking, word
from jobs.engine.formats.extraction.runner import Extracted

MOST_UNPACKED = 400_000_000  # bytes
MOST_PARTS = 10_000
_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
MEDIA_TYPES = {
    "docx": f"{_OOXML}.wordprocessingml.document",
    "pptx": f"{_OOXML}.presentationml.presentation",
    "xlsx": f"{_OOXML}.spreadsheetml.sheet",
    "xlsb": "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    "xls": "application/vnd.ms-excel",
    "odt": f"{_ODF}.text",
    "ods": f"{_ODF}.spreadsheet",
    "odp": f"{_ODF}.presentation",
    "odg": f"{_ODF}.graphics",
    "rtf": "application/rtf",
    "epub": "application/epub+zip",
    "html": "text/html",
    "ipynb": "application/x-ipynb+json",
    "latex": "application/x-tex",
    "org": "text/org",
}
OPENDOCUMENT = {"text": "odt", "spreadsheet": "ods", "presentation": "odp", "graphics": "odg", "text-master": "odt"}
NOT_ARCHIVES = ("rtf", "xls", "ipynb", "latex", "org")


def reader(format: str) -> Callable[[Path, str, bool], Extracted]:
    return partial(_read, format)


def _read(format: str, path: Path, name: str, ocr: bool) -> Extracted:
    if format not in NOT_ARCHIVES:
        unpacking.measured(path, MOST_UNPACKED, MOST_PARTS)
    if format in OPENDOCUMENT.values():
        opendocument.refuse_locked(path)
    title, text, pages, note = _READERS.get(format, _by_pandoc)(path, format)
    return Extracted(MEDIA_TYPES[format], text, title, pages, note=note)


Read = tuple[str, str, int | None, str]  # title, text, pages, note


def _by_pandoc(path: Path, format: str) -> Read:
    return *by_pandoc(path, format), None, ""


def _rtf(path: Path, format: str) -> Read:
    with tempfile.NamedTemporaryFile(suffix=".rtf") as copy:
        rtf.readable(path, Path(copy.name))
        return _by_pandoc(Path(copy.name), format)


def _word(path: Path, format: str) -> Read:
    with tempfile.NamedTemporaryFile(suffix=".docx") as copy:
        word.readable(path, Path(copy.name))
        return _with_the_rest(Path(copy.name), format, word.besides(path))


def _opendocument_text(path: Path, format: str) -> Read:
    return _with_the_rest(path, format, opendocument.besides(path))


def _with_the_rest(path: Path, format: str, besides: word.Besides) -> Read:
    title, text = by_pandoc(path, format)
    return title, "\n\n".join(filter(None, [text, besides.text()])), None, besides.note()


def _slides(path: Path, format: str) -> Read:
    return *slides.read(path), word.left_out(slides.embedded(path))


def _sheets(path: Path, format: str) -> Read:
    text, note = sheets.read(path, format)
    return "", text, None, note


def _drawing(path: Path, format: str) -> Read:
    text, pages = opendocument.read(path)
    return "", text, pages, ""


_READERS: dict[str, Callable[[Path, str], Read]] = {
    **dict.fromkeys(("xlsx", "xlsb", "xls", "ods"), _sheets),
    **dict.fromkeys(("odp", "odg"), _drawing),
    "docx": _word,
    "pptx": _slides,
    "rtf": _rtf,
    "odt": _opendocument_text,
}
