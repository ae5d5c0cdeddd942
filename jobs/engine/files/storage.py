"""Storage for the bytes of files: a folder, or the bucket that STORAGE_URL names.

A blob is written once and atomically, and never changed. Its key is random.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol

from jobs.engine import settings
from jobs.engine.errors import NO_SPACE, FileMissing, LegworkError, TooLarge
from jobs.engine.files.s3 import Bucket

CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """A stored object. `sha256` is in hex."""

    key: str
    bytes: int
    sha256: str


class Storage(Protocol):
    """The interface of both storages. An unknown key raises FileMissing."""

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
    return (
        BucketStorage(Bucket.of(chosen.storage_url)) if chosen.storage_url else FolderStorage(chosen.data_dir / "files")
    )


class FolderStorage:
    """Blobs as files, two folders deep, which limits the number of files in a folder."""

    def __init__(self, root: Path):
        self.root = root

    def put(self, stream: BinaryIO, limit: int | None) -> Blob:
        key = new_key()
        with _no_space_as_error():
            part = _made(self.root / "incoming") / key
            try:
                blob = self._write(part, key, Measured(stream, limit))
                self._publish(part, self.path(key))
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

    def _publish(self, part: Path, final: Path) -> None:
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
        import tempfile

        with self.open(key) as source, tempfile.NamedTemporaryFile(prefix="legwork-") as copy:
            with _no_space_as_error():
                while chunk := source.read(CHUNK):
                    copy.write(chunk)
                copy.flush()
            yield Path(copy.name)

    def delete(self, key: str) -> None:
        self.bucket.delete(checked(key))

    def sweep(self, older_than: float) -> int:
        return self.bucket.abort_uploads(older_than)


class Measured:
    """A stream that counts and hashes the bytes read. Raises TooLarge past the limit."""

    def __init__(self, stream: BinaryIO, limit: int | None):
        self._stream = stream
        self._limit = limit
        self._hash = hashlib.sha256()
        self.bytes = 0

    def read(self, n: int) -> bytes:
        chunk = self._stream.read(n)
        self.bytes += len(chunk)
        if self._limit is not None and self.bytes > self._limit:
            raise TooLarge(f"The file is larger than {self._limit / 1e6:,.6g} MB, the largest that is accepted.")
        self._hash.update(chunk)
        return chunk

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def new_key() -> str:
    return secrets.token_hex(16)


def checked(key: str) -> str:
    """The key, if it is well-formed; otherwise raises FileMissing."""
    if not re.fullmatch(r"[0-9a-f]{32}", key):
        raise missing_blob()
    return key


def missing_blob() -> FileMissing:
    return FileMissing("The file's content no longer exists. Upload it again, or run the job again.")


@contextmanager
def _no_space_as_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        message = "There is no space left to store the file. Free disk space, or ask the server's operator to, then try again."
        raise LegworkError(message, reason="no_space", retryable=True) from error


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
