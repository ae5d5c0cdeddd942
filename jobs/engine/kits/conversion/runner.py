"""Files into other formats: documents, tables, pictures.

made = convert(path, "notes.md", "docx", {}, folder)      # in a child process: whatever the file does, it does it there
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.kits.conversion import formats
from jobs.engine.sandbox import confined

SECONDS = 300  # of a file, by the clock


@dataclass(frozen=True)
class Converted:
    """The new file, which lies in the folder; which format the old one had; and what was lost, in sentences."""

    path: Path
    format: str
    warnings: list[str]
    rows: int | None


def convert(
    source: Path,
    name: str,
    to: str,
    options: dict[str, Any],
    folder: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    check: Callable[[], None] | None = None,
) -> Converted:
    """Raises BadInput with a sentence for a file that is broken, hostile, or cannot become this.

    folder: an empty one of its own; the caller removes it. check: raises if the run must end; the child ends too.
    """
    format = formats.format_of(source, name)
    if refusal := formats.refusal(format, name, to):
        raise BadInput(refusal, reason="impossible")
    request = {
        **{"path": str(source.absolute()), "name": name, "format": format, "to": to, "options": options},
        **{"encoding": encoding, "delimiter": delimiter},
    }
    limits = confined.ProcessLimits(seconds=SECONDS)
    said = confined.run("jobs.engine.kits.conversion", request, limits, folder=folder, check=check)
    made = folder / said["path"]
    if not made.is_file() or made.stat().st_size == 0:
        raise BadInput(f"Nothing came out of “{name}”: the {to} would be empty.", reason="empty")
    return Converted(made, format, said["warnings"], said["rows"])
