"""One file as another format, in a confined child process."""

from __future__ import annotations

from jobs.engine.kits.conversion import options
from jobs.engine.kits.conversion.formats import ending, format_of, media_type, refusal
from jobs.engine.kits.conversion.item_files import adopt, made
from jobs.engine.kits.conversion.runner import Converted, convert

__all__ = [
    "Converted",
    "adopt",
    "convert",
    "ending",
    "format_of",
    "made",
    "media_type",
    "options",
    "refusal",
]
