"""Converts documents, tables and pictures to other formats, each in a child process.

made = convert(path, "notes.md", "docx", {}, folder)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.formats.columns import AUTOMATIC, Choices
from jobs.engine.formats.tables import DETECTED, ReadOptions
from jobs.engine.kits.conversion import formats, office
from jobs.engine.sandbox import confined, warm

MODULE = "jobs.engine.kits.conversion"
SECONDS = 300  # wall-clock limit for a file


@dataclass(frozen=True)
class Converted:
    """The new file, in the folder, a ZIP where there are several; the format of the old one; a sentence for each kind of loss;
    the rows of a table."""

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
    reading: ReadOptions = DETECTED,
    choices: Choices = AUTOMATIC,
    check: Callable[[], None] | None = None,
) -> Converted:
    """Convert one file. Raises BadInput if it is damaged, hostile, or cannot be converted to this.

    folder: an empty one; the caller removes it. check: raises if the run must end, which also ends the child.
    """
    format = formats.format_of(source, name)
    if refusal := formats.refusal(format, name, to):
        raise BadInput(refusal, reason="impossible")
    path, prepared, remarks = office.prepared(source, format, to, options, reading, folder, check)
    is_set = prepared == to == "pdf"
    request = {
        **{"path": str(path.absolute()), "name": name, "format": prepared, "to": to},
        **{
            "original": str(source.absolute()),
            "options": options,
            "is_set": is_set,
            "reading": reading.as_json(),
            "choices": asdict(choices),
        },
    }
    limits = confined.ProcessLimits(seconds=SECONDS)
    result = confined.run(MODULE, request, limits, reads=[source, path], folder=folder, check=check)
    if is_set:
        return Converted(path, format, [*remarks, *result["warnings"]], None)
    made = folder / result["path"]
    if not made.is_file() or made.stat().st_size == 0:
        raise BadInput(f"“{name}” has no contents: the {to} file would be empty.", reason="empty")
    return Converted(made, format, [*remarks, *result["warnings"]], result["rows"])


def converting(files: int) -> AbstractContextManager[None]:
    """Around the calls of `convert` for so many files: several are converted by forks of one process."""
    return warm.started(MODULE) if files > 1 else nullcontext()
