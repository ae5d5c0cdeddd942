"""Text, Markdown and pages of HTML."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction.markup import by_pandoc
from jobs.engine.formats.extraction.runner import MOST_TEXT, Extracted
from jobs.engine.formats.tables import detect

ACCEPTED = "PDF, DOCX, PPTX, XLSX, XLS, ODT, ODS, ODP, RTF, EPUB, HTML, mails (EML, MSG), notebooks (IPYNB), XML, pictures, text"
_HEADING = re.compile(r"^#{1,2}[ \t]+(.+)$", re.M)
_MARKDOWN = (".md", ".markdown", ".mkd")
_HEAD = 1_000_000


def read(path: Path, name: str, ocr: bool) -> Extracted:
    text = decoded(path, 4 * MOST_TEXT).replace("\r\n", "\n").replace("\r", "\n")
    if name.lower().endswith(_MARKDOWN):
        heading = _HEADING.search(text[:20_000])
        return Extracted("text/markdown", text, heading[1].rstrip(" \t#") if heading else "")
    return Extracted("text/plain", text)


def page(path: Path, name: str, ocr: bool) -> Extracted:
    title, text = of_html(decoded(path, 4 * MOST_TEXT))
    return Extracted("text/html", text, title)


def of_html(html: str) -> tuple[str, str]:
    """The title and the text of a page. It is handed to pandoc as UTF-8, which is all that it reads."""
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8", errors="replace") as copy:
        copy.write(html)
        copy.flush()
        return by_pandoc(Path(copy.name), "html")


def decoded(path: Path, most: int) -> str:
    """The first `most` bytes as text. Raises BadInput for what is none."""
    with path.open("rb") as opened:
        data = opened.read(most)
    try:
        encoding = detect.encoding_of(data[:_HEAD], path)
        return data.decode(detect.codec(encoding), "replace")
    except (BadInput, LookupError) as error:
        said = f"This is not text, nor a format that is read here: {ACCEPTED}."
        raise BadInput(said, reason="unknown_type") from error
