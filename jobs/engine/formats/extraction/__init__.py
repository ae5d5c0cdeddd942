"""The text of a file of any type, read in a child process."""

from __future__ import annotations

from jobs.engine.formats.extraction.runner import MOST_TEXT, SECONDS, Extracted, extract

__all__ = [
    "MOST_TEXT",
    "SECONDS",
    "Extracted",
    "extract",
]
