"""Detect the type of a file by its content. Its name only helps to tell one type of text from another."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import archives, mail, office, old_office, pdf, pictures, plain, xml
from jobs.engine.formats.extraction.runner import Extracted

Reader = Callable[[Path, str, bool], Extracted]

HEAD = 4_000
ACCEPTED = f"Read here are {plain.ACCEPTED}, and ZIP files of these."
MOST_MEMBERS = 10_000

PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*", b"BM")
AVIF = (b"ftypavif", b"ftypavis")
HEIC = tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
STRANGERS = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an XZ archive"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet table; tables are for the kinds that work on rows"),
    (b"OggS", "a recording"),
    (b"ID3", "a recording"),
    (b"\x1aE\xdf\xa3", "a film"),
)
_INSIDE = {
    **{f"application/vnd.oasis.opendocument.{long}": short for long, short in office.OPENDOCUMENT.items()},
    "application/epub+zip": "epub",
}
_MEMBERS = (
    ("word/document.xml", "docx"),
    ("ppt/presentation.xml", "pptx"),
    ("xl/workbook.xml", "xlsx"),
    ("xl/workbook.bin", "xlsb"),
)
_MAIL = re.compile(
    rb"(From|To|Received|Return-Path|Delivered-To|Subject|Date|MIME-Version|Message-ID|X-[\w-]+): ?\S", re.I
)
_PAGE = re.compile(r"\s*(<\?xml[^>]*>\s*)?(?>(<!--.*?-->\s*)*)<(!doctype html|html|head|body)\b", re.I | re.S)
_NOTEBOOK = re.compile(r'\s*\{.*"(nbformat|cells)"\s*:', re.S)
_BY_NAME = {".tex": "latex", ".latex": "latex", ".org": "org"}


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
    if head.startswith(PICTURES) or head[:4] + head[8:12] == b"RIFFWEBP" or head[4:12] in AVIF + HEIC:
        return pictures.read
    if head.startswith(rb"{\rtf"):
        return office.reader("rtf")
    if head.startswith(old_office.SIGNATURE):
        return old_office.reader(path, name, reader)
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
    return office.reader(found)


def _inside(path: Path) -> str | None:
    """The format of a document that is kept as a ZIP archive; None for an archive of files."""
    try:
        with archives.opened(path) as archive:
            names = set(archive.namelist()[:MOST_MEMBERS])
            kept = _beginning(archive, "mimetype") if "mimetype" in names else ""
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BadInput("The archive is broken and cannot be opened.", reason="broken") from error
    if found := _INSIDE.get(kept.removesuffix("-template")):
        return found
    if kept.startswith("application/vnd.oasis.opendocument."):
        what = kept.rpartition(".")[2]
        raise BadInput(
            f"This is an OpenDocument file ({what}), which is not read here. {ACCEPTED}", reason="unknown_type"
        )
    return next((format for member, format in _MEMBERS if member in names), None)


def _beginning(archive: zipfile.ZipFile, member: str) -> str:
    with archive.open(member) as opened:
        return opened.read(100).decode("ascii", "replace").strip()


def _reader_of_text(path: Path, head: bytes, name: str) -> Reader:
    lines = head.removeprefix(b"\xef\xbb\xbf").splitlines()[:12]
    lines = lines[1:] if lines and mail.BEGINS_MAILBOX.match(lines[0]) else lines
    if lines and _MAIL.match(lines[0]) and sum(1 for line in lines if _MAIL.match(line)) >= 2:
        return partial(mail.read, find=reader)
    start = plain.decoded(path, HEAD)
    suffix = Path(name.lower()).suffix
    if _PAGE.match(start) or suffix in (".html", ".htm", ".xhtml"):
        return plain.page
    if suffix == ".ipynb" and _NOTEBOOK.match(plain.decoded(path, 10_000_000)):
        return office.reader("ipynb")
    if suffix in _BY_NAME:
        return office.reader(_BY_NAME[suffix])
    return xml.read if xml.MARKUP.match(start) else plain.read
