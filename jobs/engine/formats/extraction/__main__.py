"""The child that reads one file: `python -m jobs.engine.formats.extraction PATH NAME FOLDER [ocr]` writes FOLDER/answer.json."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction.formats import reader
from jobs.engine.formats.extraction.runner import MOST_TEXT, SECONDS, Extracted
from jobs.engine.sandbox.parent_death import die_with_parent
from jobs.engine.sandbox.rlimits import confine

MEMORY = 2 << 30
WRITTEN = 400_000_000  # bytes, of any one file


def main(path: str, name: str, folder: str, ocr: str = "") -> None:
    """Limits first: a hostile file must not cost more than this child."""
    die_with_parent(os.getppid())
    confine(memory=MEMORY, cpu_seconds=SECONDS, file_bytes=WRITTEN)
    answer = _answer(Path(path), name, bool(ocr))
    (Path(folder) / "unfinished").write_text(jsonsafe.dumps(answer))
    (Path(folder) / "unfinished").rename(Path(folder) / "answer.json")


def _answer(path: Path, name: str, ocr: bool) -> dict[str, Any]:
    try:
        found: Extracted = reader(path, name)(path, name, ocr)
    except BadInput as error:
        return {"error": error.message, "reason": error.reason}
    except Exception as error:  # libraries raise what they like for a broken file
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return {"error": f"The file cannot be read; it seems to be broken. ({said})", "reason": "broken"}
    if len(found.text) > MOST_TEXT:
        found = replace(found, text=found.text[:MOST_TEXT], note="Only the first 20 million characters were taken.")
    return asdict(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
