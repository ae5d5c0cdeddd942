"""Uploads that are cut and resumed, in each storage: no byte is lost, sent twice or stored in the wrong place."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.db.models import Upload
from jobs.engine.errors import BadInput, Conflict, NotFound, QuotaExceeded, TooLarge
from jobs.engine.files import resumable, storage
from jobs.engine.files.storage import blob_storage
from tests.conftest import Change
from tests.engine.files.test_storage import s3  # noqa: F401 - a fixture

CONTENT = os.urandom(1 << 20) * 12  # two whole parts of a bucket, and a rest


class Cut(Exception):
    """The line was cut."""


def cut_after(content: bytes, offset: int, n: int) -> Callable[[int], bytes]:
    """A body that begins at `offset` and breaks after `n` bytes."""
    end, at = offset + n, offset

    def read(size: int) -> bytes:
        nonlocal at
        if at >= end < len(content):
            raise Cut
        chunk = content[at : min(at + size, end)]
        at += len(chunk)
        return chunk

    return read


@pytest.fixture(params=["folder", "bucket", "database"])
def stored(request: pytest.FixtureRequest, environment: Change, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The storages as the settings choose them."""
    address = ""
    if request.param == "bucket":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        address = f"s3://pieces/files?endpoint={request.getfixturevalue('s3')}&region=us-east-1"
    environment(STORAGE_URL=address or None, FILES_IN_DATABASE_MB="50" if request.param == "database" else None)
    if isinstance(place := blob_storage(), storage.BucketStorage):
        place.bucket._client.create_bucket(Bucket="pieces")
    yield str(request.param)
    if isinstance(place, storage.BucketStorage):
        place.bucket._client.close()


def test_an_upload_that_is_cut_at_random_comes_whole(stored: str) -> None:
    random.seed(7)
    upload = resumable.begin("folder\\big.bin", len(CONTENT), owner="ann")
    offset = cuts = 0
    while offset < len(CONTENT):
        resumable._hashes.clear() if cuts == 2 else None  # another process goes on
        try:
            resumable.append(
                str(upload.id), offset, cut_after(CONTENT, offset, random.randint(0, 5 << 20)), owner="ann"
            )
        except Cut:
            cuts += 1
        offset = resumable.progress(str(upload.id), "ann").offset
    found = resumable.progress(str(upload.id), "ann")
    assert cuts > 1
    assert found.file is not None
    assert (found.file.id, found.file.name) == (upload.id, "big.bin")
    assert found.file.sha256 == hashlib.sha256(CONTENT).hexdigest()
    with blob_storage().open(found.file.blob) as opened:
        assert opened.read() == CONTENT
    with postgres.session() as session:
        assert session.get(Upload, upload.id) is None


def test_whoever_is_wrong_about_the_offset_is_told_the_right_one(stored: str) -> None:
    upload = resumable.begin("x", 10, owner="ann")
    resumable.append(str(upload.id), 0, cut_after(b"abcd", 0, 4), owner="ann")
    with pytest.raises(Conflict, match="4 bytes"):
        resumable.append(str(upload.id), 3, cut_after(b"d" * 9, 0, 7), owner="ann")
    assert resumable.progress(str(upload.id), "ann").offset == 4
    with pytest.raises(NotFound):
        resumable.append(str(upload.id), 4, cut_after(b"", 0, 0), owner="ben")


def test_what_is_too_much_is_not_stored(stored: str) -> None:
    upload = resumable.begin("x", 3, owner="ann")
    found = resumable.append(str(upload.id), 0, cut_after(b"abcdef", 0, 6), owner="ann")
    assert found.file is not None
    assert found.file.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert resumable.append(str(upload.id), 0, cut_after(b"xyz", 0, 3), owner="ann").file is not None  # changes nothing
    with blob_storage().open(found.file.blob) as opened:
        assert opened.read() == b"abc"


def test_what_expires_or_is_given_up_leaves_nothing(stored: str) -> None:
    first, second = (resumable.begin("x", 6 << 20, owner="ann") for _ in range(2))
    for upload in (first, second):
        resumable.append(str(upload.id), 0, cut_after(CONTENT[: 1 << 20], 0, 1 << 20), owner="ann")
    resumable.abandon(str(first.id), owner="ann")
    with postgres.session() as session:
        session.execute(text("update uploads set expires_at = now() - interval '1 s'"))
    with pytest.raises(NotFound, match="time of this upload is over"):
        resumable.progress(str(second.id), "ann")
    assert resumable.remove_expired() == 1
    with postgres.session() as session:
        assert session.execute(text("select count(*) from blob_pieces")).scalar_one() == 0
    assert list((settings.current().data_dir / "files").glob("incoming/*")) == []


def test_a_second_request_at_a_time_is_refused(environment: Change) -> None:
    """And the bytes of the first stay as they are."""
    upload = resumable.begin("x", 10, owner="ann")

    def meanwhile(size: int) -> bytes:
        with pytest.raises(Conflict):
            resumable.append(str(upload.id), 0, cut_after(b"other", 0, 5), owner="ann")
        return b"abcde"[:size]

    resumable.append(str(upload.id), 0, meanwhile, owner="ann")
    assert resumable.progress(str(upload.id), "ann").offset == 10


def test_size_and_quota_are_judged_before_a_byte_comes(environment: Change) -> None:
    environment(FILES_IN_DATABASE_MB="1")
    with pytest.raises(TooLarge, match="no file store"):
        resumable.begin("x", 2_000_000, owner="ann")
    environment(FILES_IN_DATABASE_MB=None, MAX_STORAGE_MB="100")
    resumable.begin("x", 60_000_000, owner="ann")
    with pytest.raises(QuotaExceeded):
        resumable.begin("x", 60_000_000, owner="ann")  # with the one that is open it would be too much
    with pytest.raises(TooLarge):
        resumable.begin("x", 201_000_000, owner="ann")
    with pytest.raises(BadInput):
        resumable.begin("x", 0, owner="ann")
