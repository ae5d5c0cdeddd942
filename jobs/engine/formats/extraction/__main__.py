"""The child that reads one file."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction.formats import reader
from jobs.engine.formats.extraction.markup import BROKEN
from jobs.engine.formats.extraction.runner import MOST_TEXT, Extracted
from jobs.engine.sandbox import confined

# What the libraries of the standard library raise for a file that is cut off or damaged, whichever reader calls them.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ElementTree.ParseError, RecursionError)


def work(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    path, name = Path(request["path"]), request["name"]
    try:
        found: Extracted = reader(path, name)(path, name, request["ocr"])
    except DAMAGED as error:
        raise BadInput(BROKEN, reason="broken") from error
    if len(found.text) > MOST_TEXT:
        found = replace(found, text=found.text[:MOST_TEXT], note="Only the first 20 million characters were taken.")
    return asdict(found)


if __name__ == "__main__":
    confined.serve(work)
