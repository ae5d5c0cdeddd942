"""What a document has that its copy in another format has not: parts outside of the body, and its look."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from jobs.engine.formats.extraction.office import opendocument, word
from jobs.engine.formats.extraction.office.word import Besides

MOST_READ = 20_000_000  # bytes of one part
WITH_A_LOOK = ("pdf", "docx", "odt", "html", "epub")
LEFT_OUT = (
    ("Comment", "Comments were left out."),
    ("Page ", "Page headers and footers were left out."),
    ("Chart", "Charts were left out."),
    ("Diagram", "Diagrams were left out."),
)
NOT_PRINTED = (  # parts of an office file that its pages do not show
    (r"word/comments\.xml|xl/comments\d*\.xml|ppt/comments/.*", "Comments were left out."),
    (r"ppt/notesSlides/.*\.xml", "Speaker notes were left out."),
    (r"xl/vbaProject\.bin|word/vbaProject\.bin|ppt/vbaProject\.bin", "Macros were left out."),
)
HIDDEN_SHEET = re.compile(r'<sheet\b[^>]*\bstate="(hidden|veryHidden)"')
# By format: the parts to look at, and the signs of each trait in them.
_SIGNS: dict[str, tuple[str, dict[str, str]]] = {
    "docx": (
        r"word/(document|styles)\.xml",
        {
            "colours": r'<w:color w:val="(?!auto|000000)|<w:highlight |<w:shd [^>]*w:fill="(?!auto|FFFFFF)',
            "typefaces": r'<w:rFonts [^>]*w:ascii="',
            "columns": r'<w:cols [^>]*w:num="[2-9]',
            "placed pictures": r"<wp:anchor ",
        },
    ),
    "odt": (
        r"(content|styles)\.xml",
        {
            "colours": r'fo:(background-)?color="(?!#000000|transparent|#ffffff)',
            "typefaces": r'style:font-name="',
            "columns": r'fo:column-count="[2-9]',
        },
    ),
    "epub": (r".*\.css", {"styles (CSS)": r"\{[^}]*:"}),
    "html": (
        "",
        {"styles (CSS)": r"<style\b|\sstyle\s*=|<link\b[^<>]*\bstylesheet\b", "colours": r"<font\b|\sbgcolor\s*="},
    ),
    "rtf": ("", {"colours": r"\\cf[1-9]|\\highlight[1-9]"}),
}


def unprinted(source: Path) -> list[str]:
    """A sentence for each kind of thing in an office file that its pages do not show."""
    if not zipfile.is_zipfile(source):
        return []
    with zipfile.ZipFile(source) as archive:
        names = archive.namelist()
    found = [said for part, said in NOT_PRINTED if any(re.fullmatch(part, name) for name in names)]
    hidden = any(HIDDEN_SHEET.search(text) for text in _texts(source, r"xl/workbook\.xml"))
    return [*found, "Hidden sheets were left out."] if hidden else found


def losses(source: Path, format: str, to: str) -> list[str]:
    """A sentence for each kind of thing that the new file will lack. source: as it was uploaded."""
    beside = _besides(source, format)
    sentences = [said for kind, said in LEFT_OUT if any(one.startswith(kind) for one, _ in beside.parts)]
    if beside.boxes:
        boxes = (
            "The text box became a paragraph" if beside.boxes == 1 else f"{beside.boxes:,} text boxes became paragraphs"
        )
        sentences.append(f"{boxes} behind the paragraph it is fixed to." if beside.boxes == 1 else f"{boxes}.")
    sentences += filter(None, [beside.note()])
    if to in WITH_A_LOOK and (traits := list(dict.fromkeys(_traits(source, format)))):
        own = "; a PDF has one typeface, and the margins of the options" if to == "pdf" else ""
        sentences.append(f"The look was not kept: {', '.join(traits)}{own}.")
    return sentences


def _besides(source: Path, format: str) -> Besides:
    if format == "docx":
        return word.besides(source)
    return opendocument.besides(source) if format == "odt" else Besides([])


def _traits(source: Path, format: str) -> Iterator[str]:
    parts, signs = _SIGNS.get(format, ("", {}))
    for text in _texts(source, parts) if signs else ():
        yield from (trait for trait, sign in signs.items() if re.search(sign, text, re.I))


def _texts(source: Path, parts: str) -> Iterator[str]:
    if not parts:
        with source.open("rb") as opened:
            yield opened.read(MOST_READ).decode("latin-1")
        return
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            if re.fullmatch(parts, name):
                with archive.open(name) as member:
                    yield member.read(MOST_READ).decode("utf-8", "replace")
