"""One page of a PDF as a picture and text, rendered in a confined child.

`python -m jobs.engine.formats.pdf_pages` is that child.
"""

from __future__ import annotations

import base64
import io
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from jobs.engine.errors import BadInput
from jobs.engine.formats import pdf_text
from jobs.engine.sandbox import confined

MOST_BYTES = 50_000_000
MOST_TEXT = 20_000  # characters
WIDTH = 900  # pixels, and at most this many times as tall:
TALLEST = 4
LIMITS = confined.ProcessLimits(seconds=15, memory=1 << 30, written=100_000_000)


@dataclass(frozen=True)
class PdfPage:
    """`picture` is a PNG in base64; `number` counts from 1."""

    number: int
    pages: int
    picture: str
    text: str


def page(source: BinaryIO, number: int) -> PdfPage:
    """That page, or the last if there are fewer. Raises BadInput for a file that is broken, locked or costly."""
    with tempfile.TemporaryDirectory(prefix="legwork-page-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "file.pdf"
        with path.open("wb") as target:
            shutil.copyfileobj(source, target)
        request = {"path": str(path), "number": number}
        return PdfPage(**confined.run("jobs.engine.formats.pdf_pages", request, LIMITS, folder=Path(folder)))


def _drawn(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(request["path"])
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        raise BadInput("The PDF is locked with a password." if locked else "The PDF is broken.") from error
    if not len(document):
        raise BadInput("The PDF has no pages.")
    number = min(max(request["number"], 1), len(document))
    shown = document[number - 1]
    width, height = shown.get_size()
    scale = min(WIDTH / max(width, 1), TALLEST * WIDTH / max(height, 1), 4.0)
    kept = io.BytesIO()
    shown.render(scale=scale).to_pil().convert("RGB").quantize(64).save(kept, "PNG", optimize=True)
    picture = base64.b64encode(kept.getvalue()).decode()
    text = pdf_text.text_of(shown)[:MOST_TEXT]
    return {"number": number, "pages": len(document), "picture": picture, "text": text}


if __name__ == "__main__":
    confined.serve(_drawn)
