"""Office documents and books: pandoc for running text, openpyxl for workbooks."""

from __future__ import annotations

import re
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import unpacking
from jobs.engine.formats.extraction.runner import MOST_TEXT, Extracted
from jobs.engine.sandbox.parent_death import tied_to_this_process

MOST_UNPACKED = 400_000_000  # bytes
MOST_PARTS = 10_000
MEDIA_TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "rtf": "application/rtf",
    "epub": "application/epub+zip",
    "html": "text/html",
}
_TEMPLATE = "$title$\n\x01\n$body$\n"
_SPACES = re.compile(r"(?<=\S)[ \t\u00a0]{2,}(?=\S)")
_PICTURE = re.compile(r"!\[([^\[\]]*)\]\([^()]*\)")


def reader(format: str) -> Callable[[Path, str, bool], Extracted]:
    return partial(_read, format)


def _read(format: str, path: Path, name: str, ocr: bool) -> Extracted:
    if format != "rtf":
        unpacking.measured(path, MOST_UNPACKED, MOST_PARTS)
    if format == "xlsx":
        return Extracted(MEDIA_TYPES["xlsx"], _sheets(path), pages=None, meta={})
    title, text = by_pandoc(path, format)
    return Extracted(MEDIA_TYPES[format], text, title, _slides(path) if format == "pptx" else None)


def by_pandoc(path: Path, format: str) -> tuple[str, str]:
    """The title and the text with Markdown's headings. Raises BadInput where pandoc cannot read it."""
    import pypandoc

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as template:
        template.write(_TEMPLATE)
        template.flush()
        done = subprocess.run(
            [
                *(pypandoc.get_pandoc_path(), "--sandbox", "--from", format, "--to", "gfm-raw_html", "--wrap=none"),
                *("--standalone", f"--template={template.name}", str(path), "+RTS", "-M1g", "-RTS"),
            ],
            capture_output=True,
            preexec_fn=tied_to_this_process(),
        )
    if done.returncode:
        said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it gave up"])[0][:200]
        raise BadInput(f"The file cannot be read; it seems to be broken. (pandoc: {said})", reason="broken")
    title, _, text = done.stdout.decode("utf-8", "replace").partition("\n\x01\n")
    return title.strip(), _SPACES.sub(" ", _PICTURE.sub(r"\1", text)).strip()


def _sheets(path: Path) -> str:
    """Each sheet below a heading with its name, a line a row, tabs between the cells."""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    kept, size = [], 0
    for line in _lines(book):
        kept.append(line)
        size += len(line) + 1
        if size > MOST_TEXT:
            break
    return "\n".join(kept)


def _lines(book: Any) -> Iterator[str]:
    for sheet in book.worksheets:
        yield f"\n# {sheet.title}\n"
        sheet.reset_dimensions()  # what a writer put down as the sheet's size is often wrong
        for row in sheet.iter_rows(values_only=True):
            cells = [" ".join(as_text(value).split()) for value in row]
            if any(cells):
                yield "\t".join(cells).rstrip("\t")


def _slides(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(1 for name in archive.namelist() if re.fullmatch(r"ppt/slides/slide\d+\.xml", name))
