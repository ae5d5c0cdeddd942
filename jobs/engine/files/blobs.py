"""A stored blob, its key and its measures: what all storages share."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jobs.engine.errors import NO_SPACE, FileMissing, LegworkError, TooLarge

CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """A stored object. `sha256` is in hex."""

    key: str
    bytes: int
    sha256: str


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
            raise too_large(self._limit)
        self._hash.update(chunk)
        return chunk

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The file is larger than {limit / 1e6:,.6g} MB, the largest that is accepted.")


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
def no_space_as_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        message = "There is no space left to store the file. Free disk space, or ask the server's operator to, then try again."
        raise LegworkError(message, reason="no_space", retryable=True) from error


@contextmanager
def copied(source: BinaryIO) -> Iterator[Path]:
    """A temporary file with the stream's bytes; it is deleted after the `with` block."""
    import tempfile

    with source, tempfile.NamedTemporaryFile(prefix="legwork-") as copy:
        with no_space_as_error():
            while chunk := source.read(CHUNK):
                copy.write(chunk)
            copy.flush()
        yield Path(copy.name)
