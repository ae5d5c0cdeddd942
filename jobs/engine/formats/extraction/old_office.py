"""Compound files (OLE): mails of Outlook (MSG) and XLS are read; DOC and PPT are left to LibreOffice (see runner)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import attached, charsets, office
from jobs.engine.formats.extraction.attached import AttachedFile, Find, Reader
from jobs.engine.formats.extraction.plain import of_html
from jobs.engine.formats.extraction.runner import Extracted
from jobs.engine.sandbox.confined import BROKEN

if TYPE_CHECKING:
    from olefile import OleFileIO

SIGNATURE = b"\xd0\xcf\x11\xe0"
DAMAGED = (OSError, ValueError, IndexError, KeyError, struct.error, TypeError, AttributeError)  # what olefile raises
RECORDS, FILEPASS = 4_000, 0x2F
MSG = "application/vnd.ms-outlook"
FOR_LIBREOFFICE = {"WordDocument": "doc", "PowerPoint Document": "ppt"}  # the reason of the refusal
REFUSED = {
    "WordDocument": "This is a Word document in the format of before 2007 (DOC), which only LibreOffice reads, and it is not "
    "installed here. Open it in Word or LibreOffice, save it as DOCX, and upload that.",
    "PowerPoint Document": "This is a PowerPoint presentation in the format of before 2007 (PPT), which only LibreOffice reads, "
    "and it is not installed here. Open it in PowerPoint or LibreOffice, save it as PPTX, and upload that.",
    "VisioDocument": "This is a Visio drawing. Save it as PDF, and upload that.",
}
_LOCKED = {".xlsx": "Excel workbook", ".docx": "Word document", ".pptx": "PowerPoint presentation"}
_SUBJECT, _BODY, _HTML, _SENDER, _TO, _CC = "0037", "1000", "1013", "0C1A", "0E04", "0E03"
_ADDRESSES = ("5D01", "0C1F")  # of the sender: as it is known in the internet, as the directory has it
_NAMES, _DATA, _EMBEDDED = ("3707", "3704", "3001"), "3701", "3701000D"


def reader(path: Path, name: str, find: Find) -> Reader:
    """The function that reads this file. Raises BadInput for those that are not read."""
    try:
        with _opened(path) as ole:
            streams = {entry[0] for entry in ole.listdir()}
            encrypted = any(_encrypted(ole.openstream(name).read(RECORDS)) for name in streams & {"Workbook", "Book"})
    except DAMAGED as error:
        raise BadInput(BROKEN, reason="broken") from error
    if "EncryptedPackage" in streams:
        what = _LOCKED.get(Path(name.lower()).suffix, "Office file")
        raise BadInput(_locked(what), reason="locked")
    if "__properties_version1.0" in streams:
        return lambda path, name, ocr: _message(path, ocr, find)
    if encrypted:
        raise BadInput(_locked("Excel workbook"), reason="locked")
    if streams & {"Workbook", "Book"}:
        return office.reader("xls")
    for stream, said in REFUSED.items():
        if stream in streams:
            raise BadInput(said, reason=FOR_LIBREOFFICE.get(stream, "unknown_type"))
    raise BadInput("This is an old Office or Windows file of a type that is not read here.", reason="unknown_type")


def _locked(what: str) -> str:
    return f"This {what} is locked with a password. Remove the password and upload it again."


def _encrypted(records: bytes) -> bool:
    """Whether the first records of an XLS say that the others are encrypted: each has a number, a length and that many bytes."""
    place = 0
    while place + 4 <= len(records):
        number, length = struct.unpack_from("<HH", records, place)
        if number == FILEPASS:
            return True
        place += 4 + length
    return False


def _opened(path: Path) -> OleFileIO:
    import olefile

    return olefile.OleFileIO(path)


def _message(path: Path, ocr: bool, find: Find) -> Extracted:
    """A mail of Outlook."""
    try:
        with _opened(path) as ole:
            storage = _Storage(ole, ())
            subject, sender = storage.text(_SUBJECT), storage.text(_SENDER)
            address = next(filter(None, map(storage.text, _ADDRESSES)), "")
            sender = sender if not address or address in sender else f"{sender} <{address}>".strip()
            lines = [("From", sender), ("To", storage.text(_TO)), ("Cc", storage.text(_CC))]
            body, files = storage.body(), list(storage.files())
    except DAMAGED as error:
        raise BadInput(BROKEN, reason="broken") from error
    texts, note = attached.read(files, ocr, find)
    head = "\n".join(f"{name}: {value}" for name, value in lines if value)
    text = "\n\n".join(filter(None, [head, body.strip(), texts]))
    meta = {"from": sender, "attachments": [file.name[:200] for file in files[:100]]}
    return Extracted(MSG, text, subject, None, meta, "", note)


class _Storage:
    """A folder of a compound file with the properties of a message or an attachment, each a stream named by its number."""

    def __init__(self, ole: OleFileIO, folder: tuple[str, ...]):
        self._ole = ole
        self._folder = folder

    def raw(self, number: str, type: str) -> bytes:
        path = [*self._folder, f"__substg1.0_{number}{type}"]
        return bytes(self._ole.openstream(path).read()) if self._ole.exists(path) else b""

    def text(self, number: str) -> str:
        if wide := self.raw(number, "001F"):
            return wide.decode("utf-16-le", "replace").strip("\0 ")
        return charsets.text_of(self.raw(number, "001E"), None).strip("\0 ")

    def body(self) -> str:
        if plain := self.text(_BODY).replace("\r\n", "\n"):
            return plain
        raw = self.raw(_HTML, "0102")
        html = charsets.text_of(raw, charsets.declared(raw)).strip("\0 ") or self.text(_HTML)
        return of_html(html)[1] if html else ""

    def files(self) -> Iterator[AttachedFile]:
        depth = len(self._folder)
        folders = {
            tuple(entry[: depth + 1])
            for entry in self._ole.listdir(streams=True, storages=True)
            if tuple(entry[:depth]) == self._folder and len(entry) > depth and entry[depth].startswith("__attach")
        }
        for folder in sorted(folders):
            storage = _Storage(self._ole, folder)
            name = next(filter(None, map(storage.text, _NAMES)), "attachment")
            inner = (*folder, f"__substg1.0_{_EMBEDDED}")
            if self._ole.exists(list(inner)):
                message = _Storage(self._ole, inner)
                yield AttachedFile(f"{message.text(_SUBJECT) or name}.txt", message.body().encode())
            else:
                yield AttachedFile(name, storage.raw(_DATA, "0102"))
