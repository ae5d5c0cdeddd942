"""Text out of files: PDF, office documents, pages, mails, pictures, plain text.

found = extract(path, "report.pdf")        # in a confined child process
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.engine.formats.extraction import recognition
from jobs.engine.sandbox import confined, warm

MODULE = "jobs.engine.formats.extraction"
SECONDS = 120  # of a file, by the clock
SECONDS_OCR = 1_800  # of one whose pages are pictures
MOST_TEXT = 20_000_000  # characters
MEMORY = 2 << 30
WRITTEN = 400_000_000  # bytes, of any one file


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
    request = {"path": str(path.absolute()), "name": name, "ocr": ocr}
    if seconds is None:
        seconds = SECONDS_OCR if ocr else SECONDS
    memory = recognition.MEMORY if ocr else MEMORY
    limits = confined.ProcessLimits(seconds=seconds, memory=memory, written=WRITTEN)
    return Extracted(**confined.run(MODULE, request, limits, reads=[path], subject=_short(name)))


def reading(files: int, *, ocr: bool = False) -> AbstractContextManager[None]:
    """Around the calls of `extract` for so many files: several are read by forks of one process, a tenth of the time each."""
    if files < 2:
        return nullcontext()
    return warm.started(MODULE, *(recognition.IMPORTED if ocr else ()))


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
