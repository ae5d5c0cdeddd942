"""The formats of conversion, and detection of a file's format by its contents.

The file's name only helps to distinguish text formats.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from jobs.engine.errors import BadInput
from jobs.engine.formats import libreoffice
from jobs.engine.formats.tables import delimited, detect

HEAD = 200_000  # bytes read for detection


@dataclass(frozen=True)
class Format:
    """family: conversion is possible within one. title: for sentences, with its article."""

    family: str
    title: str
    media_type: str


_OFFICE = "application/vnd.openxmlformats-officedocument"
FORMATS = {
    "md": Format("document", "a Markdown text", "text/markdown; charset=utf-8"),
    "docx": Format("document", "a Word document", f"{_OFFICE}.wordprocessingml.document"),
    "html": Format("document", "an HTML page", "text/html; charset=utf-8"),
    "odt": Format("document", "an OpenDocument text", "application/vnd.oasis.opendocument.text"),
    "epub": Format("document", "an EPUB book", "application/epub+zip"),
    "rst": Format("document", "a reStructuredText", "text/x-rst; charset=utf-8"),
    "txt": Format("document", "a plain text", "text/plain; charset=utf-8"),
    "rtf": Format("document", "an RTF document", "application/rtf"),
    "tex": Format("document", "a LaTeX document", "application/x-tex"),
    "org": Format("document", "an Org document", "text/org; charset=utf-8"),
    "ipynb": Format("document", "a Jupyter notebook", "application/x-ipynb+json"),
    "doc": Format("document", "a Word document of before 2007", "application/msword"),
    "pptx": Format("slides", "a PowerPoint presentation", f"{_OFFICE}.presentationml.presentation"),
    "ppt": Format("slides", "a PowerPoint presentation of before 2007", "application/vnd.ms-powerpoint"),
    "odp": Format("slides", "an OpenDocument presentation", "application/vnd.oasis.opendocument.presentation"),
    "csv": Format("table", "a CSV table", "text/csv; charset=utf-8"),
    "tsv": Format("table", "a TSV table", "text/tab-separated-values; charset=utf-8"),
    "json": Format("table", "a JSON table", "application/json"),
    "jsonl": Format("table", "a JSON Lines table", "application/x-ndjson"),
    "xlsx": Format("table", "an Excel workbook", f"{_OFFICE}.spreadsheetml.sheet"),
    "xls": Format("table", "an Excel workbook of before 2007", "application/vnd.ms-excel"),
    "ods": Format("table", "an OpenDocument spreadsheet", "application/vnd.oasis.opendocument.spreadsheet"),
    "parquet": Format("table", "a Parquet table", "application/vnd.apache.parquet"),
    "png": Format("picture", "a PNG picture", "image/png"),
    "jpeg": Format("picture", "a JPEG picture", "image/jpeg"),
    "webp": Format("picture", "a WebP picture", "image/webp"),
    "gif": Format("picture", "a GIF picture", "image/gif"),
    "bmp": Format("picture", "a BMP picture", "image/bmp"),
    "tiff": Format("picture", "a TIFF picture", "image/tiff"),
    "avif": Format("picture", "an AVIF picture", "image/avif"),
    "heic": Format("picture", "a HEIC picture", "image/heic"),
    "svg": Format("picture", "an SVG drawing", "image/svg+xml"),
    "pdf": Format("pdf", "a PDF", "application/pdf"),
    "zip": Format("archive", "a ZIP archive", "application/zip"),
}
TARGETS = {
    "document": ("md", "docx", "html", "odt", "epub", "rst", "txt", "pdf"),
    "slides": ("pdf", "md", "txt", "html", "docx", "odt", "png", "jpeg"),
    "table": ("csv", "tsv", "json", "jsonl", "xlsx", "parquet", "html", "md", "pdf"),
    "picture": ("png", "jpeg", "webp", "gif", "bmp", "tiff", "avif", "pdf"),
    "pdf": ("md", "txt", "html", "docx", "odt", "png", "jpeg"),
    "archive": (),
}
OLD_OFFICE = ("doc", "ppt")  # LibreOffice alone reads these,
DRAWN = ("pdf", "png", "jpeg")  # and it alone draws slides
SUFFIXES = {"jpeg": "jpg"}  # if it is not the format's name

_SIGNATURES = (
    (rb"%PDF-", "pdf"),
    (rb"\x89PNG\r\n\x1a\n", "png"),
    (rb"\xff\xd8\xff", "jpeg"),
    (rb"GIF8[79]a", "gif"),
    (rb"RIFF....WEBP", "webp"),
    (rb"BM....\0\0\0\0", "bmp"),
    (rb"II\*\0|MM\0\*", "tiff"),
    (rb"....ftyp(avif|avis)", "avif"),
    (rb"....ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)", "heic"),
    (rb"PAR1", "parquet"),
    (rb"\{\\rtf", "rtf"),
)
_IN_ARCHIVES = (("word/", "docx"), ("xl/workbook.xml", "xlsx"), ("ppt/", "pptx"))
_MIMETYPES = {
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/epub+zip": "epub",
}
_STREAMS = {
    "Workbook": "xls",
    "Book": "xls",
    "WordDocument": "doc",
    "PowerPoint Document": "ppt",
}  # of old Office files
_PAGE = re.compile(r"\s*(<!--.{0,2000}?-->\s*)?(<\?xml[^>]*>\s*)?<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_DRAWING = re.compile(r"\s*(<\?xml[^>]*>\s*)?(?>(<!--.*?-->\s*)*)(<!doctype svg[^>]*>\s*)?<svg\b", re.I | re.S)
_ENDINGS = {
    **dict.fromkeys((".md", ".markdown", ".mkd"), "md"),
    **dict.fromkeys((".rst", ".rest"), "rst"),
    **{".tex": "tex", ".latex": "tex", ".org": "org", ".ipynb": "ipynb"},
    **dict.fromkeys((".htm", ".html", ".xhtml"), "html"),
    **dict.fromkeys((".txt", ".text", ".log"), "txt"),
    **dict.fromkeys((".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson"), "table"),
}


def format_of(path: Path, name: str) -> str:
    """The name of the file's format. Raises BadInput if it is none of FORMATS."""
    with path.open("rb") as opened:
        head = opened.read(HEAD)
    for signature, found in _SIGNATURES:
        if re.match(signature, head, re.S):
            return found
    if head.startswith(detect.ZIP):
        return _in_archive(path)
    if head.startswith(detect.OLE):
        return _old_office(path)
    return _of_text(head, name)


def targets(format: str) -> tuple[str, ...]:
    """The formats that this one can be converted to here."""
    possible = TARGETS[FORMATS[format].family]
    if libreoffice.program():
        return possible
    if format in OLD_OFFICE:
        return ()
    return tuple(to for to in possible if FORMATS[format].family != "slides" or to not in DRAWN)


def refusal(format: str, name: str, to: str) -> str | None:
    """Why this conversion is not possible, and which are, as a sentence; None if it is possible."""
    possible = targets(format)
    if to in possible:
        return None
    if to in TARGETS[FORMATS[format].family]:
        return f"“{name}” is {FORMATS[format].title}. {libreoffice.MISSING}"
    if not possible:
        return f"“{name}” is {FORMATS[format].title}, which cannot be converted here."
    return f"“{name}” is {FORMATS[format].title}. It can be converted to {', '.join(possible[:-1])} or {possible[-1]}, not {to}."


def media_type(to: str) -> str:
    return FORMATS[to].media_type


def ending(to: str) -> str:
    return f".{SUFFIXES.get(to, to)}"


def _in_archive(path: Path) -> str:
    """The format of a ZIP archive, which may be an office document or an EPUB book. Raises BadInput."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            declared = (
                archive.open("mimetype").read(100).decode("ascii", "replace").strip() if "mimetype" in names else ""
            )
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        raise BadInput("The file is incomplete or damaged. Upload it again.", reason="broken") from None
    for start, format in _IN_ARCHIVES:
        if any(name.startswith(start) for name in names):
            return format
    if declared in _MIMETYPES:
        return _MIMETYPES[declared]
    if declared:
        raise BadInput("Office files of this type cannot be converted here. Save it as PDF.")
    return "zip"


def _old_office(path: Path) -> str:
    """The format of a file of Office before 2007. Raises BadInput for other ones, and for those with a password."""
    with path.open("rb") as opened:
        head = opened.read(1 << 24)
    for stream, format in _STREAMS.items():
        if stream.encode("utf-16-le") in head:
            return format
    raise BadInput("This is a mail of Outlook, or an Office file with a password. Save it as DOCX or PDF without one.")


def _of_text(head: bytes, name: str) -> str:
    declared = _ENDINGS.get(Path(name.lower()).suffix)
    if declared is None and _DRAWING.match(head.decode("latin-1")):
        return "svg"
    try:
        if not declared or declared == "table":
            detect.refuse_what_is_no_table(head)
        text = detect.decoded(head, detect.encoding_of(head), whole=False)
    except BadInput as error:
        if _PAGE.match(head.decode("latin-1")):
            return "html"
        raise BadInput(error.message.replace(detect.ACCEPTED, "").strip(), reason=error.reason) from None
    if not text.strip():
        raise BadInput("The file is empty.", reason="empty")
    if declared != "md" and _PAGE.match(text):
        return "html"
    return declared if declared and declared != "table" else _of_table(text, name, sure=declared == "table")


def _of_table(text: str, name: str, sure: bool) -> str:
    found = detect.text_format(text, name)
    if found in ("json", "jsonl"):
        return found
    dialect = delimited.sniff(text, name)
    if not sure and dialect.delimiter not in text.split("\n", 1)[0]:
        return "txt"
    return "tsv" if dialect.delimiter == "\t" else "csv"
