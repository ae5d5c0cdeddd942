"""Input files of a kind: an upload or an output by its id, a sample as `sample:<name>`, the rows of a job as `job:<id>`."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from jobs.engine.db.models import File
from jobs.engine.db.postgres import session
from jobs.engine.errors import BadInput
from jobs.engine.files import job_rows
from jobs.engine.files.storage import blob_storage
from jobs.engine.formats import tables
from jobs.engine.formats.tables import DETECTED, ReadOptions, TableInfo
from jobs.engine.kind_packages import extra_folders

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
    """One file to read. It is opened by the methods, not before."""

    ref: str
    name: str
    media_type: str
    bytes: int
    blob: str | None = None  # key in the storage; None for a sample
    described: dict[str, Any] | None = None
    job: UUID | None = None  # whose rows these are; there is no file then
    whole: bool = (
        False  # of those rows: all of them, which only a worker reads; else the first few, by which a form is checked
    )
    tell: Callable[[str, list[str]], None] | None = field(
        default=None, compare=False
    )  # gets notes on how a table was read

    def table(self, options: ReadOptions = DETECTED) -> TableInfo:
        """Format, columns and approximate size of the table; looked up at the upload, unless other reading options are
        given. Raises BadInput if the file is not a table."""
        if self.described and (self.job or not options) and TableInfo.is_current(self.described):
            return self._told(TableInfo.from_json(self.described))
        with self.path() as path:
            return self._told(tables.describe(path, self.name, options))

    @contextmanager
    def path(self) -> Iterator[Path]:
        """A path to read from, valid only inside the `with` block."""
        if self.job is not None:
            with job_rows.written(self.job, None if self.whole else job_rows.FIRST) as path:
                yield path
            return
        if self.blob is None:
            yield sample_path(self.name)
            return
        with blob_storage().local(self.blob) as path:
            yield path

    def rows(self, options: ReadOptions = DETECTED) -> Iterator[dict[str, Any]]:
        """The rows as `table` describes them, in constant memory. Raises BadInput naming the line that cannot be read."""
        if self.job is not None:
            yield from islice(job_rows.rows(self.job), None if self.whole else job_rows.FIRST)
            return
        known, notes = self.table(options).options, list[str]()
        with self.path() as path:
            yield from tables.read(path, self.name, known, notes)
        self.note(notes)

    def count(self, options: ReadOptions = DETECTED) -> int:
        """The exact number of rows. It may read the whole file; `table().rows` is quick."""
        if self.job is not None:
            return self.table().rows or 0
        known = self.table(options).options
        with self.path() as path:
            return tables.count(path, self.name, known)

    def window(self, start: int, most: int) -> list[dict[str, Any]]:
        """Some rows for showing; see `tables.window`."""
        options = self.table().options
        with self.path() as path:
            return tables.window(path, self.name, options, start, most)

    def _told(self, info: TableInfo) -> TableInfo:
        self.note(info.notes)
        return info

    def note(self, notes: list[str]) -> None:
        """Say how the table was read, in sentences: in the job's log and result."""
        if self.tell is not None and notes:
            self.tell(self.name, notes)


def find_input(ref: str, owner: str) -> Input:
    """The file that a param refers to. Raises BadInput if it does not exist or is another owner's, without distinction."""
    if ref.startswith(SAMPLE):
        return _sample(ref)
    if ref.startswith(job_rows.PREFIX):
        return _rows(ref, owner)
    file = _file(ref, owner)
    return Input(str(file.id), file.name, file.media_type, file.bytes, file.blob, file.table)


def sample_path(name: str) -> Path:
    """The path of a sample: a regular file directly in a samples folder, of ours or of a package of kinds. Raises BadInput."""
    path = next((path for folder in extra_folders() if (path := folder / "samples" / name).is_file()), SAMPLES / name)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,60}\.[a-z0-9]{1,8}", name) or not path.is_file() or path.is_symlink():
        raise BadInput("There is no such sample. Upload a file, or take a sample's name from the kind's example.")
    return path


@cache
def _sample(ref: str) -> Input:
    path = sample_path(ref.removeprefix(SAMPLE))
    media_type = MEDIA_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        described = tables.describe(path, path.name).as_json()
    except BadInput:
        described = None
    return Input(ref, path.name, media_type, path.stat().st_size, described=described)


def _rows(ref: str, owner: str) -> Input:
    job = job_rows.find(ref, owner)
    info, size = job_rows.described(job)
    name = job_rows.name(job)
    return Input(ref, name, MEDIA_TYPES[f".{job_rows.FORMAT}"], size, described=info.as_json(), job=job.id)


def _file(ref: str, owner: str) -> File:
    try:
        file_id = UUID(ref)
    except ValueError:
        raise _no_such_file() from None
    with session() as opened:
        file = opened.get(File, file_id)
    if file is None or file.owner != owner or not file.visible:
        raise _no_such_file()
    return file


def _no_such_file() -> BadInput:
    return BadInput("There is no such file. It may have been deleted; upload it again.")
