"""Text out of files: PDF, office documents, pages, mails, pictures, plain text.

found = extract(path, "report.pdf")        # in a confined child process
"""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.formats import libreoffice
from jobs.engine.formats.extraction import recognition
from jobs.engine.sandbox import confined, warm

MODULE = "jobs.engine.formats.extraction"
SECONDS = 120  # of a file, by the clock
SECONDS_OCR = 1_800  # of one whose pages are pictures
MOST_TEXT = 20_000_000  # characters
MEMORY = 2 << 30
WRITTEN = 400_000_000  # bytes, of any one file
NEWER = {  # of Office files of before 2007, by the reason of their refusal: what LibreOffice makes of them, and what they are
    "doc": ("docx", "application/msword"),
    "ppt": ("pptx", "application/vnd.ms-powerpoint"),
}


@dataclass(frozen=True)
class Extracted:
    """The content of a file. `text` has Markdown's headings and \\f between pages; `note` is a sentence on what is missing."""

    media_type: str
    text: str
    title: str = ""
    pages: int | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    thumbnail: str = ""  # a small PNG, in base64
    note: str = ""


def extract(path: Path, name: str, *, ocr: bool = False, seconds: int | None = None) -> Extracted:
    """Raises BadInput with a sentence for a file that is broken, locked, hostile, or of a type that is not read here."""
    try:
        return _extract(path, name, ocr, seconds)
    except BadInput as error:
        if error.reason not in NEWER or libreoffice.program() is None:
            raise
        return _by_libreoffice(path, name, error.reason, ocr, seconds)


def _extract(path: Path, name: str, ocr: bool, seconds: int | None) -> Extracted:
    request = {"path": str(path.absolute()), "name": name, "ocr": ocr}
    if seconds is None:
        seconds = SECONDS_OCR if ocr else SECONDS
    memory = recognition.MEMORY if ocr else MEMORY
    limits = confined.ProcessLimits(seconds=seconds, memory=memory, written=WRITTEN)
    return Extracted(**confined.run(MODULE, request, limits, reads=[path], subject=_short(name)))


def _by_libreoffice(path: Path, name: str, format: str, ocr: bool, seconds: int | None) -> Extracted:
    """A DOC or PPT: LibreOffice makes a newer file of it, which is read."""
    newer, media_type = NEWER[format]
    with tempfile.TemporaryDirectory(prefix="legwork-office-", ignore_cleanup_errors=True) as folder:
        made = libreoffice.convert(path, format, newer, Path(folder))
        return replace(_extract(made, f"{name}.{newer}", ocr, seconds), media_type=media_type)


def reading(files: int, *, ocr: bool = False) -> AbstractContextManager[None]:
    """Around the calls of `extract` for so many files: several are read by forks of one process, a tenth of the time each."""
    if files < 2:
        return nullcontext()
    return warm.started(MODULE, *(recognition.IMPORTED if ocr else ()))


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
