"""PDFs and presentations as text, documents or a picture of each page."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput
from jobs.engine.formats import pdf_document
from jobs.engine.formats.extraction import formats as readers
from jobs.engine.formats.extraction import pdf, recognition
from jobs.engine.kits.conversion import documents

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

MOST_PAGES = 2_000
MOST_PIXELS = 50_000_000  # of a page
PICTURES = ("png", "jpeg")
POINTS = 72  # an inch
SLIDES_LOST = "Left out: pictures, colours, typefaces, movements and where things stand on the slides."
RECOGNISED = "Process files recognises text in pictures."


def convert(
    source: Path, format: str, to: str, name: str, options: dict[str, Any], folder: Path
) -> tuple[Path, list[str]]:
    """The new file, a ZIP for several pictures, and a sentence for each kind of loss."""
    if to in PICTURES:
        return _pictures(source, to, options, folder)
    text, notes = _text(source, format, to, name)
    written = folder / f"text.{'txt' if format == 'pdf' and to == 'txt' else 'md'}"
    written.write_text(text)
    if to == written.suffix[1:]:
        return written, notes
    path, warnings = documents.convert(written, "md", to, name, options, folder)
    return path, [*notes, *warnings]


def _text(source: Path, format: str, to: str, name: str) -> tuple[str, list[str]]:
    """The text as Markdown, of a PDF plain where that is asked for, and sentences on what is missing."""
    if format == "pdf":
        write = pdf_document.plain if to == "txt" else pdf_document.strict_markdown
        found, lost = pdf.read(source, name, False, write), _lost(source)
    else:
        found, lost = readers.reader(source, name)(source, name, False), SLIDES_LOST
    note = found.note.replace(recognition.how(), RECOGNISED)
    if not found.text.strip():
        raise BadInput(f"{note} There is nothing to convert but to pictures.".strip(), reason="no_text")
    return found.text.replace("\n\n\f", "\f").replace("\f", "\n\n") + "\n", [*filter(None, [note]), lost]


def _lost(source: Path) -> str:
    import pypdfium2.raw as raw

    document = pdf.opened(source)
    pictures = sum(1 for page in _readable(document) for _ in page.get_objects([raw.FPDF_PAGEOBJ_IMAGE]))
    document.close()
    first = {0: "", 1: "1 picture, "}.get(pictures, f"{pictures:,} pictures, ")
    return f"Left out: {first}drawings, links, colours, typefaces and where things stand on the page."


def _readable(document: PdfDocument) -> Iterator[PdfPage]:
    import pypdfium2

    for place in range(len(document)):
        with suppress(pypdfium2.PdfiumError):
            yield document[place]


def _pictures(source: Path, to: str, options: dict[str, Any], folder: Path) -> tuple[Path, list[str]]:
    document = pdf.opened(source)
    if len(document) > MOST_PAGES:
        raise BadInput(
            f"The PDF has {len(document):,} pages; at most {MOST_PAGES:,} become pictures. Split it.",
            reason="too_large",
        )
    losses: dict[str, None] = {}
    made = [_picture(page, number, to, options, folder, losses) for number, page in enumerate(_readable(document), 1)]
    if len(made) < len(document):
        losses[f"{len(document) - len(made):,} broken pages were left out."] = None
    if not made:
        raise BadInput("The PDF is broken: none of its pages can be drawn.", reason="broken")
    return (made[0] if len(made) == 1 else _packed(made, folder)), [*losses, "The text became part of the pictures."]


def _picture(
    page: PdfPage, number: int, to: str, options: dict[str, Any], folder: Path, losses: dict[str, None]
) -> Path:
    width, height = (max(side, 1) / POINTS for side in page.get_size())
    dpi = min(options["dpi"], (MOST_PIXELS / (width * height)) ** 0.5)
    for side, most in ((width, options["max_width"]), (height, options["max_height"])):
        dpi = min(dpi, most / side) if most else dpi
    if dpi < options["dpi"] and not (options["max_width"] or options["max_height"]):
        losses[f"Pages of more than {MOST_PIXELS // 1_000_000} million pixels were drawn smaller."] = None
    target = folder / f"page-{number:04}.{'jpg' if to == 'jpeg' else to}"
    picture = page.render(scale=dpi / POINTS).to_pil().convert("RGB")
    page.close()
    picture.save(target, to.upper(), dpi=(dpi, dpi), **({"quality": options["quality"]} if to == "jpeg" else {}))
    return target


def _packed(made: list[Path], folder: Path) -> Path:
    target = folder / "converted.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in made:
            archive.write(path, path.name)
            path.unlink()
    return target
