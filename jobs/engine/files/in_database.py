"""Blobs in the database: for small files, on a platform whose disks vanish and without a bucket (FILES_IN_DATABASE_MB)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from jobs.engine.db import postgres
from jobs.engine.errors import Conflict, TooLarge
from jobs.engine.files.blobs import CHUNK, Blob, Measured, checked, copied, missing_blob, new_key

_ADD = "insert into blob_pieces (blob, place, content) values (%(blob)s, %(place)s, %(content)s)"
_PIECE = "select content from blob_pieces where blob = %(blob)s and place = %(place)s"
_MEASURES = "select count(*), coalesce(sum(length(content)), 0) from blob_pieces where blob = %(blob)s"
_DELETE = "delete from blob_pieces where blob = %(blob)s"


class DatabaseStorage:
    """Blobs as rows of at most CHUNK bytes. Each may have `most` bytes."""

    def __init__(self, most: int):
        self.most = most

    def put(self, stream: BinaryIO, limit: int | None) -> Blob:
        key, measured, place = new_key(), Measured(stream, limit), 0
        with postgres.session() as session:
            while chunk := measured.read(CHUNK):
                self.check_size(measured.bytes)
                _add(session.connection(), key, place, chunk)
                place += 1
            if not place:
                _add(session.connection(), key, 0, b"")
        return Blob(key, measured.bytes, measured.sha256)

    def open(self, key: str) -> BinaryIO:
        if _content(checked(key), 0) is None:
            raise missing_blob()
        return cast(BinaryIO, io.BufferedReader(_Pieces(key), CHUNK))

    def head(self, key: str, n: int) -> bytes:
        with self.open(key) as opened:
            return opened.read(n)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        with copied(self.open(key)) as path:
            yield path

    def delete(self, key: str) -> None:
        postgres.fetch_all(_DELETE, {"blob": checked(key)})

    def sweep(self, older_than: float) -> int:
        """Nothing is left of interrupted uploads: `put` is one transaction."""
        return 0

    def check_size(self, bytes_: int) -> None:
        """Raise TooLarge if a blob of that size does not belong into the database."""
        if bytes_ > self.most:
            raise TooLarge(
                f"This server has no file store yet: it keeps files of up to {self.most / 1e6:,.6g} MB, in its database. "
                "An operator can set STORAGE_URL to a bucket, which takes larger ones."
            )

    # Blobs that grow, as `PartialBlobs` has them.

    def begin(self, key: str) -> str:
        postgres.fetch_all(_ADD, {"blob": key, "place": 0, "content": b""})
        return ""

    def offset(self, key: str, handle: str) -> int:
        return self._measures(key)[1]

    def busy(self, key: str) -> bool:
        return False

    def append(self, key: str, handle: str, offset: int, length: int, read: Callable[[int], bytes]) -> None:
        place, stored = self._measures(key)
        if stored != offset:
            raise Conflict(f"{stored} bytes of this upload are stored. Go on from there.", reason="offset")
        body, missing = bytearray(), length - offset
        try:
            while missing and (chunk := read(min(missing, CHUNK - len(body)))):
                body += chunk
                missing -= len(chunk)
                if len(body) == CHUNK:
                    place = self._append(key, place, body)
        finally:
            if body:
                self._append(key, place, body)

    def complete(self, key: str, handle: str) -> None:
        pass

    def abandon(self, key: str, handle: str) -> None:
        self.delete(key)

    def _measures(self, key: str) -> tuple[int, int]:
        """The number of pieces and their bytes."""
        ((pieces, bytes_),) = postgres.fetch_all(_MEASURES, {"blob": checked(key)})
        if not pieces:
            raise missing_blob()
        return int(pieces), int(bytes_)

    def _append(self, key: str, place: int, body: bytearray) -> int:
        """Store one piece and empty the buffer. Returns the next place. Raises Conflict if it is taken."""
        try:
            with postgres.session() as session:
                _add(session.connection(), key, place, bytes(body))
        except IntegrityError:
            raise Conflict("Another request is sending this upload. Wait until it has ended.", reason="busy") from None
        finally:
            body.clear()
        return place + 1


class _Pieces(io.RawIOBase):
    """The bytes of a blob, read a piece at a time."""

    def __init__(self, key: str) -> None:
        self._key, self._place, self._rest = key, 0, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            content = _content(self._key, self._place)
            if content is None:
                return 0
            self._rest, self._place = content, self._place + 1
        part = self._rest[: len(buffer)]
        buffer[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)


def _add(connection: Connection, key: str, place: int, content: bytes) -> None:
    postgres.execute(connection, _ADD, {"blob": key, "place": place, "content": content})


def _content(key: str, place: int) -> bytes | None:
    found = postgres.fetch_all(_PIECE, {"blob": key, "place": place})
    return bytes(found[0][0]) if found else None
