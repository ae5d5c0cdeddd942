"""Conversion of one file to another format, in a sandboxed child process."""

from __future__ import annotations

from jobs.engine.kits.conversion import options
from jobs.engine.kits.conversion.formats import FORMATS, ending, format_of, media_type, refusal
from jobs.engine.kits.conversion.runner import Converted, convert, converting

__all__ = [
    "FORMATS",
    "Converted",
    "convert",
    "converting",
    "ending",
    "format_of",
    "item_files",  # imported explicitly: it needs the database, which the child processes do not load
    "media_type",
    "options",
    "refusal",
]
