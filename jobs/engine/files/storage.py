"""Storage for the bytes of files: a folder, the bucket that STORAGE_URL names, or the database.

A blob is written once and atomically, and never changed. Its key is random.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol

from jobs.engine import settings
from jobs.engine.files.blobs import CHUNK, Blob, Measured, checked, copied, missing_blob, new_key, no_space_as_error
from jobs.engine.files.in_database import DatabaseStorage
from jobs.engine.files.s3 import Bucket


class Storage(Protocol):
    """The interface of the storages. An unknown key raises FileMissing."""

    def put(self, stream: BinaryIO, limit: int | None) -> Blob:
        """Store the whole stream. Raises TooLarge past `limit` bytes; LegworkError "no_space" if the disk is full."""

    def open(self, key: str) -> BinaryIO:
        """The bytes, from the start."""

    def head(self, key: str, n: int) -> bytes:
        """The first n bytes, or all there are."""

    def local(self, key: str) -> AbstractContextManager[Path]:
        """A path to read from, valid only inside the `with` block. It must not be written to."""

    def delete(self, key: str) -> None:
        """Delete the blob, if it exists."""

    def sweep(self, older_than: float) -> int:
        """Remove the data of interrupted uploads older than this many seconds; returns their number."""


@cache
def blob_storage() -> Storage:
    """The storage that the settings choose, one for each process."""
    chosen = settings.current()
    if chosen.storage_url:
        return BucketStorage(Bucket.of(chosen.storage_url))
    if chosen.files_in_database_bytes:
        return DatabaseStorage(chosen.files_in_database_bytes)
    return FolderStorage(chosen.data_dir / "files")


class FolderStorage:
    """Blobs as files, two folders deep, which limits the number of files in a folder."""

    def __init__(self, root: Path):
        self.root = root

    def put(self, stream: BinaryIO, limit: int | None) -> Blob:
        key = new_key()
        with no_space_as_error():
            part = self.incoming(key)
            try:
                blob = self._write(part, key, Measured(stream, limit))
                self.publish(part, self.path(key))
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        return blob

    def open(self, key: str) -> BinaryIO:
        try:
            return self.path(key).open("rb")
        except FileNotFoundError:
            raise missing_blob() from None

    def head(self, key: str, n: int) -> bytes:
        with self.open(key) as opened:
            return opened.read(n)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        self.open(key).close()
        yield self.path(key)

    def delete(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)

    def sweep(self, older_than: float) -> int:
        stale = [part for part in (self.root / "incoming").glob("*") if _age(part) > older_than]
        for part in stale:
            part.unlink(missing_ok=True)
        return len(stale)

    def path(self, key: str) -> Path:
        """The path of a blob, always inside the root."""
        return self.root / checked(key)[:2] / key[2:4] / key

    def _write(self, part: Path, key: str, measured: Measured) -> Blob:
        with part.open("xb") as target:
            while chunk := measured.read(CHUNK):
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        return Blob(key, measured.bytes, measured.sha256)

    def incoming(self, key: str) -> Path:
        """Where a blob grows until it is published."""
        return _made(self.root / "incoming") / checked(key)

    def publish(self, part: Path, final: Path) -> None:
        """Make the file at `part` the blob at `final`, also after a power cut."""
        _made(final.parent)
        part.rename(final)
        for folder in (final.parent, final.parent.parent, self.root):
            _fsync_folder(folder)


class BucketStorage:
    """Blobs as objects of an S3-compatible bucket."""

    def __init__(self, bucket: Bucket):
        self.bucket = bucket

    def put(self, stream: BinaryIO, limit: int | None) -> Blob:
        key = new_key()
        measured = Measured(stream, limit)
        self.bucket.upload(key, measured.read)
        return Blob(key, measured.bytes, measured.sha256)

    def open(self, key: str) -> BinaryIO:
        return self.bucket.download(checked(key)) or _raise(missing_blob())

    def head(self, key: str, n: int) -> bytes:
        with self.bucket.download(checked(key), first=n) or _raise(missing_blob()) as opened:
            return opened.read(n)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        with copied(self.open(key)) as path:
            yield path

    def delete(self, key: str) -> None:
        self.bucket.delete(checked(key))

    def sweep(self, older_than: float) -> int:
        return self.bucket.abort_uploads(older_than)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _age(path: Path) -> float:
    with suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return 0.0


def _raise(error: Exception) -> BinaryIO:
    raise error


os.register_at_fork(after_in_child=blob_storage.cache_clear)
