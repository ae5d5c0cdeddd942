from __future__ import annotations

import hashlib
import io
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from jobs.engine import settings
from jobs.engine.errors import LegworkError, NotFound, SettingsError, TooLarge, Transient
from jobs.engine.files.in_database import DatabaseStorage
from jobs.engine.files.s3 import PART, Bucket
from jobs.engine.files.storage import BucketStorage, FolderStorage, Storage, blob_storage
from jobs.engine.sandbox.spawn import ROOT

BIG = os.urandom(1 << 20) * 18  # more than two parts


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a real S3-speaking server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    made = Bucket.of(f"s3://legwork/files?endpoint={quote(s3)}&region=us-east-1")
    made._client.create_bucket(Bucket="legwork")
    return made


@pytest.fixture(params=["folder", "bucket", "database"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return FolderStorage(tmp_path / "files")
    if request.param == "database":
        request.getfixturevalue("environment")
        return DatabaseStorage(100_000_000)
    return BucketStorage(request.getfixturevalue("bucket"))


@pytest.mark.parametrize("content", [b"", b"one line\n", BIG], ids=["empty", "small", "big"])
def test_what_was_put_comes_back(place: Storage, content: bytes) -> None:
    blob = place.put(io.BytesIO(content), None)

    assert (blob.bytes, blob.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert place.head(blob.key, 8) == content[:8]
    with place.open(blob.key) as opened:
        assert opened.read() == content
    with place.local(blob.key) as path:
        assert path.read_bytes() == content


def test_a_deleted_blob_is_gone_and_may_be_deleted_again(place: Storage) -> None:
    key = place.put(io.BytesIO(b"x"), None).key
    place.delete(key)
    place.delete(key)

    for read in (place.open, lambda key: place.head(key, 1), lambda key: place.local(key).__enter__()):
        with pytest.raises(NotFound, match="no longer exists"):
            read(key)


@pytest.mark.parametrize("size", [101, PART * 2])
def test_too_large_leaves_nothing_behind(place: Storage, size: int) -> None:
    with pytest.raises(TooLarge, match=r"larger than 0\.0001 MB"):
        place.put(io.BytesIO(bytes(size)), 100)
    assert place.put(io.BytesIO(bytes(100)), 100).bytes == 100
    assert place.sweep(older_than=-1) == 0


class CutStream(io.RawIOBase):
    """Gives some bytes and then fails, as an upload does whose sender has gone."""

    def __init__(self, content: bytes):
        self.left = io.BytesIO(content)

    def read(self, n: int = -1) -> bytes:
        chunk = self.left.read(n)
        if not chunk:
            raise ConnectionResetError("the sender is gone")
        return chunk


def test_a_cut_upload_leaves_nothing_behind(place: Storage) -> None:
    with pytest.raises(ConnectionResetError):
        place.put(CutStream(BIG), None)
    assert place.sweep(older_than=-1) == 0


@pytest.mark.parametrize(
    "key", ["", "..", "../../etc/passwd", "a/b", "A" * 32, "0" * 31, "0" * 32 + "\n", "0" * 30 + "\0a", "é" * 32]
)
def test_no_key_leads_elsewhere(place: Storage, key: str) -> None:
    for use in (place.open, place.delete, lambda key: place.head(key, 1), lambda key: place.local(key).__enter__()):
        with pytest.raises(NotFound):
            use(key)


def test_what_a_killed_upload_left_is_swept_away(tmp_path: Path) -> None:
    place = FolderStorage(tmp_path)
    kept = place.put(io.BytesIO(b"kept"), None)
    (tmp_path / "incoming" / "half").write_bytes(b"ha")

    assert place.sweep(older_than=3600) == 0
    assert place.sweep(older_than=-1) == 1
    assert place.head(kept.key, 4) == b"kept"


def test_parts_of_a_killed_upload_to_a_bucket_are_swept_away(bucket: Bucket) -> None:
    bucket._client.create_multipart_upload(Bucket="legwork", Key="files/half")
    thirty_years = 30 * 365 * 24 * 3600  # the test server dates every upload 2010
    assert BucketStorage(bucket).sweep(older_than=thirty_years) == 0
    assert BucketStorage(bucket).sweep(older_than=3600) == 1


def test_a_full_disk_is_said_in_words_and_nothing_is_left(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: the kernel refuses the write in both cases."""
    child = os.fork()
    if not child:
        os._exit(_put_past_the_limit(tmp_path))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _put_past_the_limit(folder: Path) -> int:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    try:
        FolderStorage(folder).put(io.BytesIO(BIG), None)
    except LegworkError as error:
        left = [path for path in folder.rglob("*") if path.is_file()]
        return 0 if error.reason == "no_space" and "no space left" in error.message and not left else 1
    return 2


def test_a_store_that_is_away_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    place = BucketStorage(Bucket.of("s3://legwork/x?endpoint=http://127.0.0.1:9&region=us-east-1"))
    with pytest.raises(Transient, match="does not answer"):
        place.put(io.BytesIO(b"x"), None)


def test_a_bucket_that_does_not_exist_is_said_in_words(bucket: Bucket) -> None:
    bucket.name = "other"
    with pytest.raises(LegworkError, match="NoSuchBucket") as raised:
        BucketStorage(bucket).put(io.BytesIO(b"x"), None)
    assert raised.value.reason == "storage_refused"


def test_an_address_without_a_bucket_is_refused() -> None:
    with pytest.raises(SettingsError, match="names no bucket"):
        Bucket.of("s3:///files")


def test_the_settings_choose_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, kind in (("DATA_DIR", str(tmp_path), FolderStorage), ("STORAGE_URL", "s3://b/p", BucketStorage)):
        monkeypatch.setenv(name, value)
        settings.current.cache_clear()
        blob_storage.cache_clear()
        assert type(blob_storage()) is kind
    settings.current.cache_clear()
    blob_storage.cache_clear()


def test_importing_it_brings_no_boto3() -> None:
    code = "import sys, jobs.engine.files.storage; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
