"""PDF, by PDFium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import pictures, recognition
from jobs.engine.formats.extraction.runner import Extracted

MOST_PAGES = 20_000
THUMBNAIL = 256  # pixels
OCR_SCALE = 2.0  # of 72 dots an inch
OCR_PAGES = 200
SCANNED = "There is no text in it: its pages are pictures, so it was probably scanned."


def read(path: Path, name: str, ocr: bool) -> Extracted:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise BadInput("The PDF is locked with a password. Remove it and upload again.", reason="locked") from error
        raise BadInput("The PDF is broken and cannot be opened.", reason="broken") from error
    pages = len(document)
    if pages > MOST_PAGES:
        raise BadInput(f"The PDF has {pages:,} pages; at most {MOST_PAGES:,} are read. Split it.", reason="too_large")
    text = "\f".join(_text(document, place) for place in range(pages))
    note = ""
    if not text.strip():
        text, note = _recognised(document, pages) if ocr else ("", f"{SCANNED} {recognition.how()}")
    meta = {
        key: value
        for key, value in document.get_metadata_dict(skip_empty=True).items()
        if key in ("Author", "CreationDate")
    }
    return Extracted(
        "application/pdf", text, str(document.get_metadata_value("Title"))[:500], pages, meta, _first(document), note
    )


def _text(document: Any, place: int) -> str:
    page = document[place]
    text: str = page.get_textpage().get_text_bounded()
    page.close()
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufffe", "")


def _recognised(document: Any, pages: int) -> tuple[str, str]:
    """The text of the pictures of the pages."""
    read = recognition.reader()
    found = [read(document[place].render(scale=OCR_SCALE).to_numpy()) for place in range(min(pages, OCR_PAGES))]
    text = "\f".join(found)
    if not text.strip():
        return "", f"{SCANNED} No letters were recognised either."
    left = f" Only the first {OCR_PAGES} pages were read." if pages > OCR_PAGES else ""
    return text, f"The pages are pictures; their text was recognised and may have mistakes.{left}"


def _first(document: Any) -> str:
    """The first page as a small picture."""
    if not len(document):
        return ""
    width, height = document[0].get_size()
    scale = min(THUMBNAIL / max(width, height, 1), 4.0)
    return pictures.as_png(document[0].render(scale=scale).to_pil())
