"""Detect the type of a file by its content. Its name only helps to tell one type of text from another."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import archives, mail, office, pdf, pictures, plain
from jobs.engine.formats.extraction.runner import Extracted

Reader = Callable[[Path, str, bool], Extracted]

HEAD = 4_000
ACCEPTED = "Read here are PDF, DOCX, PPTX, XLSX, ODT, RTF, EPUB, HTML, EML, pictures, text, and ZIP files of these."
MOST_MEMBERS = 10_000

PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*", b"BM")
STRANGERS = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"\xd0\xcf\x11\xe0", "an Office file of before 2007; save it as DOCX, XLSX or PPTX and upload that"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet table; tables are for the kinds that work on rows"),
    (b"OggS", "a recording"),
    (b"ID3", "a recording"),
    (b"\x1aE\xdf\xa3", "a film"),
)
_MAIL = re.compile(
    rb"(From|To|Received|Return-Path|Delivered-To|Subject|Date|MIME-Version|Message-ID|X-[\w-]+): ?\S", re.I
)
_PAGE = re.compile(r"\s*(<\?xml[^>]*>\s*)?(?>(<!--.*?-->\s*)*)<(!doctype html|html|head|body)\b", re.I | re.S)


def is_archive(path: Path) -> bool:
    """Whether this is a ZIP of files, and not a document that is stored as one. BadInput if it is a broken one."""
    with path.open("rb") as opened:
        return opened.read(4) in (b"PK\x03\x04", b"PK\x05\x06") and _inside(path) is None


def reader(path: Path, name: str) -> Reader:
    """The function that reads this file. BadInput says what it is, where it is none that is read here."""
    with path.open("rb") as opened:
        head = opened.read(HEAD)
    if not head.strip():
        raise BadInput("The file is empty.", reason="empty")
    if b"%PDF-" in head[:1024]:
        return pdf.read
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _reader_inside(path)
    if head.startswith(PICTURES) or head[:4] + head[8:12] == b"RIFFWEBP":
        return pictures.read
    if head.startswith(rb"{\rtf"):
        return office.reader("rtf")
    for signature, what in STRANGERS:
        if head.startswith(signature):
            raise BadInput(f"This is {what}. {ACCEPTED}", reason="unknown_type")
    return _reader_of_text(path, head, name)


def _reader_inside(path: Path) -> Reader:
    found = _inside(path)
    if found is None:
        raise BadInput(
            "This is an archive within an archive. Unpack it and upload what is in it.", reason="nested_archive"
        )
    return found


def _inside(path: Path) -> Reader | None:
    """The reader of a document that is kept as a ZIP archive; None for an archive of files."""
    try:
        with archives.opened(path) as archive:
            names = set(archive.namelist()[:MOST_MEMBERS])
            kept = _beginning(archive, "mimetype") if "mimetype" in names else ""
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BadInput("The archive is broken and cannot be opened.", reason="broken") from error
    if kept == "application/epub+zip":
        return office.reader("epub")
    if kept == "application/vnd.oasis.opendocument.text":
        return office.reader("odt")
    for member, format in (
        ("word/document.xml", "docx"),
        ("ppt/presentation.xml", "pptx"),
        ("xl/workbook.xml", "xlsx"),
    ):
        if member in names:
            return office.reader(format)
    return None


def _beginning(archive: zipfile.ZipFile, member: str) -> str:
    with archive.open(member) as opened:
        return opened.read(100).decode("ascii", "replace").strip()


def _reader_of_text(path: Path, head: bytes, name: str) -> Reader:
    lines = head.splitlines()[:12]
    if lines and _MAIL.match(lines[0]) and sum(1 for line in lines if _MAIL.match(line)) >= 2:
        return mail.read
    start = plain.decoded(path, HEAD)
    return plain.page if _PAGE.match(start) or name.lower().endswith((".html", ".htm", ".xhtml")) else plain.read
