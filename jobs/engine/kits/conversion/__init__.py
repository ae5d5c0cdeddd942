"""One file as another format, in a confined child process."""

from __future__ import annotations

from jobs.engine.kits.conversion import options
from jobs.engine.kits.conversion.formats import ending, format_of, media_type, refusal
from jobs.engine.kits.conversion.runner import Converted, convert

__all__ = [
    "Converted",
    "convert",
    "ending",
    "format_of",
    "item_files",  # imported by who asks for it: it needs the database, and children start here
    "media_type",
    "options",
    "refusal",
]
