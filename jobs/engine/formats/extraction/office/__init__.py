"""Office documents and books: text documents by pandoc, slides, sheets and drawings out of their files' parts."""

from __future__ import annotations

from jobs.engine.formats.extraction.office.readers import MEDIA_TYPES, OPENDOCUMENT, reader

__all__ = ["MEDIA_TYPES", "OPENDOCUMENT", "reader"]
