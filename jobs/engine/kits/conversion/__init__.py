"""One file as another format, in a confined child process."""

from __future__ import annotations

from jobs.engine.kits.conversion.runner import Converted, convert

__all__ = [
    "Converted",
    "convert",
]
