"""The child that reads one file."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jobs.engine.formats.extraction.formats import reader
from jobs.engine.formats.extraction.runner import MOST_TEXT, Extracted
from jobs.engine.sandbox import confined

WARM = (
    *("PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.TiffImagePlugin"),
    *(
        "PIL.ImageOps",
        "PIL.WebPImagePlugin",
        "charset_normalizer",
        "nh3",
        "olefile",
        "openpyxl",
        "pi_heif",
        "pypandoc",
        "pypdfium2",
    ),
    *("python_calamine", "xml.etree.ElementTree", "encodings.idna"),
)


def work(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    path, name = Path(request["path"]), request["name"]
    found: Extracted = reader(path, name)(path, name, request["ocr"])
    if len(found.text) > MOST_TEXT:
        found = replace(found, text=found.text[:MOST_TEXT], note="Only the first 20 million characters were taken.")
    return asdict(found)


if __name__ == "__main__":
    confined.serve(work)
