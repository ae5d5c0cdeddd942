"""PDF, by PDFium: the text of its pages, and of the notes and form fields on them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.errors import BadInput
from jobs.engine.formats import pdf_document
from jobs.engine.formats.extraction import pictures, recognition
from jobs.engine.formats.extraction.runner import Extracted
from jobs.engine.formats.pdf_layout import PdfBlock

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

MOST_PAGES = 20_000
THUMBNAIL = 256  # pixels
OCR_SCALE = 2.0  # of 72 dots an inch
OCR_PAGES = 200
NAMED_PAGES = 8  # of a note
SCANNED = "There is no text in it: its pages are pictures, so it was probably scanned."
META = ("Author", "CreationDate")
NOTES = (
    1,
    3,
    9,
    10,
    11,
    12,
)  # subtypes of annotations with words of a reader: text, free text, highlights and the like
WIDGET = 20  # a field of a form


@dataclass
class _Pages:
    """The pages' texts, and the numbers of those that are pictures or broken."""

    texts: list[str] = field(default_factory=list)
    scanned: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)


Write = Callable[[list[PdfBlock]], str]


def read(path: Path, name: str, ocr: bool, write: Write = pdf_document.markdown) -> Extracted:
    """write: makes the text of a page out of its blocks."""
    document = opened(path)
    count = len(document)
    if count > MOST_PAGES:
        raise BadInput(f"The PDF has {count:,} pages; at most {MOST_PAGES:,} are read. Split it.", reason="too_large")
    pages = _read(document, count, write)
    if len(pages.broken) == count:
        raise BadInput("The PDF is broken: none of its pages can be read.", reason="broken")
    note = " ".join(
        filter(None, [_scans(document, pages, count, ocr), _broken(pages.broken, count), _attached(document)])
    )
    text = "\f".join(pages.texts) if any(map(str.strip, pages.texts)) else ""
    meta = {key: value for key, value in document.get_metadata_dict(skip_empty=True).items() if key in META}
    title = str(document.get_metadata_value("Title"))[:500]
    return Extracted("application/pdf", text, title, count, meta, _first(document), note)


def opened(path: Path) -> PdfDocument:
    """Raises BadInput for a PDF that is broken or locked."""
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise BadInput("The PDF is locked with a password. Remove it and upload again.", reason="locked") from error
        raise BadInput("The PDF is broken and cannot be opened.", reason="broken") from error


def _read(document: PdfDocument, count: int, write: Write) -> _Pages:
    import pypdfium2

    layout = pdf_document.PdfLayout(document)
    pages = _Pages()
    for place in range(count):
        try:
            page = document[place]
            text = write(layout.blocks(page))
            if not text.strip() and any(True for _ in page.get_objects(max_depth=4)):
                pages.scanned.append(place + 1)
            pages.texts.append("\n".join([text, *_notes(page)]))
            page.close()
        except pypdfium2.PdfiumError:
            pages.broken.append(place + 1)
            pages.texts.append("")
    return pages


def _scans(document: PdfDocument, pages: _Pages, count: int, ocr: bool) -> str:
    """The note on pages that are pictures; with `ocr` their text is put into `pages`."""
    if not pages.scanned:
        return ""
    if not ocr:
        said = SCANNED if len(pages.scanned) == count else _without_text(pages.scanned, count)
        return f"{said} {recognition.how()}"
    read = recognition.reader()
    tried = pages.scanned[:OCR_PAGES]
    for number in tried:
        recognised = read(document[number - 1].render(scale=OCR_SCALE).to_numpy())
        pages.texts[number - 1] = "\n".join(filter(None, [recognised, pages.texts[number - 1]]))
    seen = [number for number in tried if pages.texts[number - 1].strip()]
    left = f" Only the first {OCR_PAGES} of such pages were read." if len(pages.scanned) > OCR_PAGES else ""
    if not seen:
        return f"{SCANNED if len(pages.scanned) == count else _without_text(tried, count)} No letters were recognised either.{left}"
    which = "The pages" if len(seen) == count else _numbers(seen, count)
    are = "is a picture; its" if len(seen) == 1 and count > 1 else "are pictures; their"
    return f"{which} {are} text was recognised and may have mistakes.{left}"


def _without_text(numbers: list[int], count: int) -> str:
    has, is_it = ("has", "it is") if len(numbers) == 1 else ("have", "they are")
    return f"{_numbers(numbers, count)} {has} no text: {is_it} probably scanned."


def _broken(numbers: list[int], count: int) -> str:
    return (
        f"{_numbers(numbers, count)} {'is' if len(numbers) == 1 else 'are'} broken and could not be read."
        if numbers
        else ""
    )


def _numbers(numbers: list[int], count: int) -> str:
    """Page 2 of 2; Pages 2-9, 12 of 100; 40 pages of 100, among them 2, 5, 9, …."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    shown = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in ranges[:NAMED_PAGES])
    if len(ranges) > NAMED_PAGES:
        return f"{len(numbers):,} pages of {count:,} ({shown}, …)"
    return f"Page{'s' if len(numbers) > 1 else ''} {shown} of {count:,}"


def _notes(page: PdfPage) -> Iterator[str]:
    """The comments on a page, and what is written into the fields of its form."""
    import pypdfium2.raw as raw

    for place in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, place)
        if not annotation:
            continue
        subtype = raw.FPDFAnnot_GetSubtype(annotation)
        if subtype in NOTES and (said := _string(annotation, b"Contents")):
            yield f"Comment: {said}"
        elif subtype == WIDGET and (said := _string(annotation, b"V")) and said != "Off":
            yield f"Field {_string(annotation, b'T')}: {said}"
        raw.FPDFPage_CloseAnnot(annotation)


def _string(annotation: object, key: bytes) -> str:
    import pypdfium2.raw as raw

    size = raw.FPDFAnnot_GetStringValue(annotation, key, None, 0)
    if size <= 2:
        return ""
    kept = ctypes.create_string_buffer(size)
    raw.FPDFAnnot_GetStringValue(annotation, key, ctypes.cast(kept, ctypes.POINTER(raw.FPDF_WCHAR)), size)
    return " ".join(kept.raw[: size - 2].decode("utf-16-le", "replace").split())


def _attached(document: PdfDocument) -> str:
    """The note on files within the PDF."""
    count = document.count_attachments()
    if not count:
        return ""
    names = ", ".join(document.get_attachment(place).get_name() for place in range(min(count, 3)))
    are = "1 file is" if count == 1 else f"{count:,} files are"
    return f"{are} attached and not read: {names}{', …' if count > 3 else ''}."


def _first(document: PdfDocument) -> str:
    """The first page as a small picture; empty if it cannot be drawn."""
    import pypdfium2

    try:
        page = document[0]
        width, height = page.get_size()
        scale = min(THUMBNAIL / max(width, height, 1), 4.0)
        return pictures.as_png(page.render(scale=scale).to_pil())
    except (pypdfium2.PdfiumError, IndexError, ValueError):
        return ""
