"""What a kind works on: an upload or an output by its id, or one of our samples as `sample:<name>`."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from jobs.engine.db.models import File
from jobs.engine.db.postgres import session
from jobs.engine.errors import BadInput
from jobs.engine.files.storage import blob_storage
from jobs.engine.formats import tables
from jobs.engine.formats.tables import TableInfo

SAMPLES = Path(__file__).parents[2] / "samples"
SAMPLE = "sample:"
MEDIA_TYPES = {
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv",
    ".md": "text/markdown",
}


@dataclass(frozen=True)
class Input:
    """One file to read from. Nothing of it has been opened yet."""

    ref: str
    name: str
    media_type: str
    bytes: int
    blob: str | None = None  # its key in storage; None for a sample
    described: dict[str, Any] | None = None

    def table(self, encoding: str | None = None, delimiter: str | None = None) -> TableInfo:
        """What table this is; known since the upload, unless it is to be read in another way. Raises BadInput if it is none."""
        if self.described and not encoding and not delimiter:
            return TableInfo.from_json(self.described)
        with self.path() as path:
            return tables.describe(path, self.name, encoding=encoding, delimiter=delimiter)

    @contextmanager
    def path(self) -> Iterator[Path]:
        """A path to read from, only within the `with`."""
        if self.blob is None:
            yield sample_path(self.name)
            return
        with blob_storage().local(self.blob) as path:
            yield path

    def rows(self, encoding: str | None = None, delimiter: str | None = None) -> Iterator[dict[str, Any]]:
        """The rows, one at a time, in constant memory. Raises BadInput naming the line where the table breaks off."""
        with self.path() as path:
            yield from tables.read(path, self.name, encoding=encoding, delimiter=delimiter)

    def count(self, encoding: str | None = None, delimiter: str | None = None) -> int:
        """How many rows there are, exactly. It may read all of the file: `table().rows` is the quick answer."""
        with self.path() as path:
            return tables.count(path, self.name, encoding=encoding, delimiter=delimiter)


def find_input(ref: str, owner: str) -> Input:
    """The file that a param names. Raises BadInput where there is none, or none of this owner's: the two are not told apart."""
    if ref.startswith(SAMPLE):
        return _sample(ref)
    file = _file(ref, owner)
    return Input(str(file.id), file.name, file.media_type, file.bytes, file.blob, file.table)


def sample_path(name: str) -> Path:
    """Where a sample is: a plain file directly in the samples' folder, and nothing else."""
    path = SAMPLES / name
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,60}\.[a-z0-9]{1,8}", name) or not path.is_file() or path.is_symlink():
        raise BadInput("There is no such sample. Upload a file, or look at the kind's example for a sample's name.")
    return path


def _sample(ref: str) -> Input:
    path = sample_path(ref.removeprefix(SAMPLE))
    media_type = MEDIA_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Input(ref, path.name, media_type, path.stat().st_size)


def _file(ref: str, owner: str) -> File:
    try:
        wanted = UUID(ref)
    except ValueError:
        raise _no_such_file() from None
    with session() as opened:
        file = opened.get(File, wanted)
    if file is None or file.owner != owner or not file.visible:
        raise _no_such_file()
    return file


def _no_such_file() -> BadInput:
    return BadInput("There is no such file. It may have been deleted; upload it again.")
