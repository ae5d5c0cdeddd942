"""The bytes of an upload that comes in several pieces, in each of the storages.

What is stored is the truth about how far an upload has come: the file's length, the parts of the bucket's multipart upload, or
the rows of the database. So an offset survives every crash, and nothing is written twice.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol

from jobs.engine.errors import Conflict
from jobs.engine.files.blobs import CHUNK, missing_blob, no_space_as_error
from jobs.engine.files.in_database import DatabaseStorage
from jobs.engine.files.s3 import LEAST_PART, Bucket, UploadedPart
from jobs.engine.files.storage import BucketStorage, FolderStorage, blob_storage

MOST_PARTS = 9_000  # S3 allows 10,000

Read = Callable[[int], bytes]


class PartialBlobs(Protocol):
    """Blobs that grow. `handle` is what `begin` returned. An unknown key raises NotFound."""

    def begin(self, key: str) -> str:
        """A new blob without bytes."""

    def offset(self, key: str, handle: str) -> int:
        """How many bytes are stored."""

    def busy(self, key: str) -> bool:
        """Whether a request, of any process, is known to be writing."""

    def append(self, key: str, handle: str, offset: int, length: int, read: Read) -> None:
        """Store what `read` gives after `offset`, up to `length` bytes in all. What came before an error of `read` is kept.

        Raises Conflict if another request writes, or `offset` is not where the blob ends.
        """

    def complete(self, key: str, handle: str) -> None:
        """Make it a blob of the storage."""

    def abandon(self, key: str, handle: str) -> None:
        """Delete it, as far as it is there."""


@cache
def partial_blobs() -> PartialBlobs:
    """Those of the storage that the settings choose."""
    match blob_storage():
        case FolderStorage() as folder:
            return FolderPartials(folder)
        case BucketStorage() as objects:
            return BucketPartials(objects.bucket)
        case DatabaseStorage() as rows:
            return rows
        case other:
            raise TypeError(f"{other} has no partial blobs")


class FolderPartials:
    """Each is a file that one request at a time appends to, by a lock that the kernel frees with the process."""

    def __init__(self, storage: FolderStorage):
        self.storage = storage

    def begin(self, key: str) -> str:
        with no_space_as_error():
            self._path(key).touch(exist_ok=False)
        return ""

    def offset(self, key: str, handle: str) -> int:
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError:
            raise missing_blob() from None

    def busy(self, key: str) -> bool:
        try:
            with self._alone(key):
                return False
        except Conflict:
            return True

    def append(self, key: str, handle: str, offset: int, length: int, read: Read) -> None:
        with self._alone(key) as target, no_space_as_error():
            _check_offset(offset, target.seek(0, os.SEEK_END))
            missing = length - offset
            try:
                while missing and (chunk := read(min(missing, CHUNK))):
                    target.write(chunk)
                    missing -= len(chunk)
            finally:
                target.flush()
                os.fsync(target.fileno())

    def complete(self, key: str, handle: str) -> None:
        self.storage.publish(self._path(key), self.storage.path(key))

    def abandon(self, key: str, handle: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.storage.incoming(key)

    @contextmanager
    def _alone(self, key: str) -> Iterator[BinaryIO]:
        """The open file, locked. It may have been published between opening and locking: then it is none of these."""
        try:
            with self._path(key).open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not os.path.samestat(os.fstat(file.fileno()), self._path(key).stat()):
                    raise missing_blob()
                yield file
        except FileNotFoundError:
            raise missing_blob() from None
        except BlockingIOError:
            raise Conflict("Another request is sending this upload. Wait until it has ended.", reason="busy") from None


class BucketPartials:
    """Each is a multipart upload. Bytes that make no whole part yet are an object of their own, named by the parts before."""

    def __init__(self, bucket: Bucket):
        self.bucket = bucket

    def begin(self, key: str) -> str:
        return self.bucket.begin_parts(key)

    def offset(self, key: str, handle: str) -> int:
        parts = self._parts(key, handle)
        return _end(parts) + (self.bucket.size(_tail(key, parts)) or 0)

    def busy(self, key: str) -> bool:
        return False

    def append(self, key: str, handle: str, offset: int, length: int, read: Read) -> None:
        parts = self._parts(key, handle)
        before = len(parts)
        body = bytearray(self._read_tail(key, parts))
        _check_offset(offset, _end(parts) + len(body))
        size, missing = max(LEAST_PART, length // MOST_PARTS), length - offset
        try:
            while missing and (chunk := read(min(missing, CHUNK, size - len(body)))):
                body += chunk
                missing -= len(chunk)
                if len(body) == size:
                    parts.append(self.bucket.upload_part(key, handle, len(parts) + 1, bytes(body)))
                    body.clear()
        finally:
            if body:
                self.bucket.put(_tail(key, parts), bytes(body))
            if len(parts) > before:
                self.bucket.delete(f"{key}.{before}")

    def complete(self, key: str, handle: str) -> None:
        parts = self._parts(key, handle)
        tail, rest = _tail(key, parts), self._read_tail(key, parts)
        if rest:
            parts.append(self.bucket.upload_part(key, handle, len(parts) + 1, rest))
        self.bucket.complete_parts(key, handle, parts)
        self.bucket.delete(tail)

    def abandon(self, key: str, handle: str) -> None:
        parts = self.bucket.list_parts(key, handle) or []
        self.bucket.delete(_tail(key, parts))
        self.bucket.abort_parts(key, handle)

    def _parts(self, key: str, handle: str) -> list[UploadedPart]:
        parts = self.bucket.list_parts(key, handle)
        if parts is None:
            raise missing_blob()
        return parts

    def _read_tail(self, key: str, parts: list[UploadedPart]) -> bytes:
        tail = self.bucket.download(_tail(key, parts))
        if tail is None:
            return b""
        with tail:
            return tail.read()


def _check_offset(said: int, stored: int) -> None:
    if said != stored:
        raise Conflict(f"{stored} bytes of this upload are stored. Go on from there.", reason="offset")


def _end(parts: list[UploadedPart]) -> int:
    return sum(part.bytes for part in parts)


def _tail(key: str, parts: list[UploadedPart]) -> str:
    return f"{key}.{len(parts)}"


os.register_at_fork(after_in_child=partial_blobs.cache_clear)
