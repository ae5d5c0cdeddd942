"""The text of a file of any type, read in a child process."""

from __future__ import annotations

from jobs.engine.formats.extraction import recognition
from jobs.engine.formats.extraction.archives import members, unpack
from jobs.engine.formats.extraction.formats import is_archive
from jobs.engine.formats.extraction.runner import MOST_TEXT, SECONDS, Extracted, extract, reading
from jobs.engine.formats.language import language

__all__ = [
    "MOST_TEXT",
    "SECONDS",
    "Extracted",
    "extract",
    "is_archive",
    "language",
    "members",
    "reading",
    "recognition",
    "unpack",
]
