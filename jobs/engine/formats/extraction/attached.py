"""The files that are attached to a mail: read as files of their own, their text below that of the mail."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction.runner import Extracted

MOST_READ = 50
MOST_NAMED = 3  # of those that were not read
QUIET = (".p7s", ".asc", ".sig")  # signatures: there is nothing to read in them

Reader = Callable[[Path, str, bool], Extracted]
Find = Callable[[Path, str], Reader]


@dataclass(frozen=True)
class AttachedFile:
    name: str
    data: bytes


def read(files: Iterable[AttachedFile], ocr: bool, find: Find) -> tuple[str, str]:
    """The text of the attachments, each below its name, and a note on those that could not be read. find: gives a file's reader."""
    texts, failed = [], []
    for place, file in enumerate(files):
        try:
            if place >= MOST_READ:
                raise BadInput(f"At most {MOST_READ} attachments of a mail are read.")
            found = _read(file, ocr, find)
            texts.append(f"# Attachment: {file.name}\n\n{found.text}".strip())
            if found.note:
                failed.append(f"Of the attachment “{file.name}”: {found.note}")
        except BadInput as error:
            if not file.name.lower().endswith(QUIET):
                failed.append(f"The attachment “{file.name}” was not read: {error.message}")
    more = (
        f" {len(failed) - MOST_NAMED:,} more attachments could not be read whole." if len(failed) > MOST_NAMED else ""
    )
    return "\n\n".join(texts), " ".join(failed[:MOST_NAMED]) + more


def _read(file: AttachedFile, ocr: bool, find: Find) -> Extracted:
    with tempfile.NamedTemporaryFile(prefix="legwork-attached-") as copy:
        copy.write(file.data)
        copy.flush()
        path = Path(copy.name)
        return find(path, file.name)(path, file.name, ocr)
