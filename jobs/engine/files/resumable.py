"""Uploads that come in pieces: begun, appended to, resumed where they were cut, and made a file when they are whole."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.db.models import File, Upload, new_id
from jobs.engine.db.records import owned
from jobs.engine.errors import BadInput, NotFound, TooMany
from jobs.engine.files import quota
from jobs.engine.files.blobs import CHUNK, Blob, new_key, too_large
from jobs.engine.files.in_database import DatabaseStorage
from jobs.engine.files.partial import partial_blobs
from jobs.engine.files.storage import blob_storage
from jobs.engine.files.uploads import add_file, shown_name

LIFE = timedelta(days=1)  # from the beginning; the clock then deletes what came
MOST_OPEN = 100  # uploads of one owner
MOST_HASHES = 64
EXPIRED_AT_ONCE = 100
WRITER_SECONDS = 5.0  # that the offset waits for a request which still stores bytes

_writing: list[str] = []  # blobs that this process appends to
_hashes: dict[str, tuple[int, hashlib._Hash]] = {}  # by blob: bytes and their hash, as far as this process wrote them


def begin(name: str, length: int, *, owner: str) -> Upload:
    """A new upload of so many bytes. Raises BadInput, TooLarge, QuotaExceeded, TooMany."""
    _check_size(length)
    key = new_key()
    with postgres.session() as session:
        open_bytes = _open(session, owner)
        quota.take_quota(session, owner, length + open_bytes)
    handle = partial_blobs().begin(key)
    with postgres.session() as session:
        upload = Upload(id=new_id(), owner=owner, name=shown_name(name), length=length, blob=key, handle=handle)
        upload.expires_at = postgres.now(session) + LIFE
        session.add(upload)
    return upload


def _check_size(length: int) -> None:
    if length < 1:
        raise BadInput("The file is empty.")
    most = settings.current().max_upload_bytes
    if length > most:
        raise too_large(most)
    storage = blob_storage()
    if isinstance(storage, DatabaseStorage):
        storage.check_size(length)


def _open(session: Session, owner: str) -> int:
    """The bytes that the owner's open uploads will have together. Raises TooMany."""
    counted = select(func.count(), func.sum(Upload.length)).where(Upload.owner == owner)
    count, bytes_ = session.execute(counted).one()
    if count >= MOST_OPEN:
        raise TooMany(f"{count} uploads are open. Finish or delete some of them; each ends by itself after a day.")
    return int(bytes_ or 0)


class UploadProgress:
    """How far an upload has come. `file` is there once it is whole."""

    def __init__(self, id: UUID, length: int, offset: int, expires_at: datetime | None, file: File | None):
        self.id, self.length, self.offset, self.expires_at, self.file = id, length, offset, expires_at, file


def progress(upload_id: str, owner: str) -> UploadProgress:
    """How far this upload of the owner has come. Raises NotFound, also if its time is over.

    A request that was cut may have bytes left to store: it is waited for, so that they are not sent again.
    """
    upload = find(upload_id, owner)
    if isinstance(upload, Upload):
        _wait_for_writer(upload.blob)
        upload = find(upload_id, owner)
    if isinstance(upload, File):
        return UploadProgress(upload.id, upload.bytes, upload.bytes, None, upload)
    offset = partial_blobs().offset(upload.blob, upload.handle)
    return UploadProgress(upload.id, upload.length, offset, upload.expires_at, None)


def _wait_for_writer(blob: str) -> None:
    until = time.monotonic() + WRITER_SECONDS
    while (blob in _writing or partial_blobs().busy(blob)) and time.monotonic() < until:
        time.sleep(0.02)


def append(upload_id: str, offset: int, read: Callable[[int], bytes], *, owner: str) -> UploadProgress:
    """Store what `read` gives, after `offset`. What came before an error of `read` is kept. The last bytes make it a file.

    Raises NotFound, Conflict, QuotaExceeded, LegworkError "no_space".
    """
    upload = find(upload_id, owner)
    if isinstance(upload, File):
        return progress(upload_id, owner)
    hashed = _Hashed(upload.blob, offset, read)
    _writing.append(upload.blob)
    try:
        partial_blobs().append(upload.blob, upload.handle, offset, upload.length, hashed.read)
    finally:
        _writing.remove(upload.blob)
        hashed.remember()
    stored = partial_blobs().offset(upload.blob, upload.handle)
    file = finish(upload) if stored == upload.length else None
    return UploadProgress(upload.id, upload.length, stored, upload.expires_at, file)


def finish(upload: Upload) -> File:
    """Make a whole upload a file with its id. Safe to call again, if a process ended in the middle."""
    try:
        partial_blobs().complete(upload.blob, upload.handle)
    except NotFound:
        blob_storage().open(upload.blob).close()  # it was published already; raises where it was not
    blob = Blob(upload.blob, upload.length, _sha256(upload))
    return add_file(blob, upload.name, owner=upload.owner, upload=upload.id)


def abandon(upload_id: str, *, owner: str) -> None:
    """Delete an upload that is not whole. Raises NotFound."""
    upload = find(upload_id, owner)
    if isinstance(upload, File):
        raise NotFound("This upload is whole. It is a file now.")
    _remove(upload)


def remove_expired() -> int:
    """Delete some uploads whose time is over. Returns how many."""
    with postgres.session() as session:
        old = select(Upload).where(Upload.expires_at < func.now()).order_by(Upload.expires_at).limit(EXPIRED_AT_ONCE)
        found = list(session.scalars(old))
    for upload in found:
        _remove(upload)
    return len(found)


def _remove(upload: Upload) -> None:
    """The bytes first: if that fails, the row is found again."""
    partial_blobs().abandon(upload.blob, upload.handle)
    _hashes.pop(upload.blob, None)
    with postgres.session() as session:
        if found := session.get(Upload, upload.id):
            session.delete(found)


def find(upload_id: str, owner: str) -> Upload | File:
    """The upload, or the file that it has become. Raises NotFound."""
    with postgres.reading() as session:
        try:
            upload = owned(session, Upload, upload_id, owner)
        except NotFound:
            return owned(session, File, upload_id, owner)
        if upload.expires_at < postgres.now(session):
            raise NotFound("The time of this upload is over. Begin again.")
        return upload


class _Hashed:
    """A reader that hashes what it reads, if this process knows the hash of all bytes before."""

    def __init__(self, blob: str, offset: int, read: Callable[[int], bytes]):
        before, known = _hashes.pop(blob, (0, hashlib.sha256()))
        self._hash = known if before == offset else None
        self._blob, self._end, self._read = blob, offset, read

    def read(self, n: int) -> bytes:
        chunk = self._read(n)
        self._end += len(chunk)
        if self._hash is not None:
            self._hash.update(chunk)
        return chunk

    def remember(self) -> None:
        if self._hash is not None:
            _hashes[self._blob] = (self._end, self._hash)
            while len(_hashes) > MOST_HASHES:
                _hashes.pop(next(iter(_hashes)))


def _sha256(upload: Upload) -> str:
    end, known = _hashes.pop(upload.blob, (0, hashlib.sha256()))
    return known.hexdigest() if end == upload.length else _hash_of(blob_storage().open(upload.blob))


def _hash_of(stream: BinaryIO) -> str:
    found = hashlib.sha256()
    with stream:
        while chunk := stream.read(CHUNK):
            found.update(chunk)
            time.sleep(0)  # a large file must not hold up the other requests of this process
    return found.hexdigest()
