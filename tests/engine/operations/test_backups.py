"""What is backed up comes back whole, into another database and another storage; what is no backup is refused."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from jobs.engine.db import postgres, redis
from jobs.engine.db.models import Job
from jobs.engine.files import lookup
from jobs.engine.files.storage import blob_storage
from jobs.engine.mail import outbox, smtp
from jobs.engine.operations import backups
from jobs.engine.operations.backups import BackupFailed
from jobs.engine.queue import commands, ledger, queries, worker_registry
from jobs.engine.queue.ledger import Batch, Outcome
from jobs.engine.queue.worker_registry import Seen
from jobs.engine.worker import clock
from tests.conftest import Database
from tests.engine.workers import messages

Change = Callable[..., None]


def made() -> tuple[Job, Job, bytes]:
    """A job that ended with an output, one that waits, and the output's bytes."""
    done, waits = (commands.submit("nap", {}, owner="local") for _ in range(2))
    content = bytes(range(256)) * 5_000
    with postgres.session() as session:
        connection = session.connection()
        claim = ledger.claim(connection, done.id, "a worker")
        assert claim is not None
        ledger.record(connection, done.id, claim.lease, Batch([Outcome("1", 1, "done", {"a": "ä\u2028"})]))
        ledger.add_file(
            connection, claim, "out.bin", "application/octet-stream", blob_storage().put(io.BytesIO(content), None)
        )
        ledger.settle(connection, done.id, claim.lease, "succeeded", result={"b": 1})
    smtp.send("nora@example.org", "Kept", "in the outbox", owner="local")
    return done, waits, content


@pytest.fixture
def backup(environment: Change, tmp_path: Path) -> tuple[Path, Job, Job, bytes]:
    environment(EXTRA_KINDS="tests.sample_kinds")
    job, waits, content = made()
    target = tmp_path / "legwork.tar"
    told = backups.write(target)
    assert (told.files, told.missing) == (2, 0)
    assert told.bytes == len(content) + outbox.outbox_messages("local").rows[0].bytes
    return target, job, waits, content


@pytest.mark.slow
def test_all_of_it_comes_back_elsewhere(
    backup: tuple[Path, Job, Job, bytes], environment: Change, fresh_database: Database, tmp_path: Path
) -> None:
    target, job, waits, content = backup
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with fresh_database() as url:
        environment(DATABASE_URL=url, DATA_DIR=str(tmp_path / "other"))
        with pytest.raises(BackupFailed, match="not empty"):
            backups.read(target)
        told = backups.read(target, replace=True)
        assert (told.files, told.missing) == (2, 0)
        back = queries.job(job.id, "local")
        assert (back.state, back.result, back.done) == ("succeeded", {"b": 1}, 1)
        assert queries.items(back).rows[0].input == {"a": "ä\u2028"}
        with lookup.open_file(queries.output_files(back)[0]) as opened:
            assert opened.read() == content
        assert "in the outbox" in outbox.open_outbox_message(outbox.outbox_messages("local").rows[0]).text
        assert list((tmp_path / "other" / "files").rglob(queries.output_files(back)[0].blob))
        redis.broker().flushall()  # Redis is not in a backup
        ticking = clock.Clock()
        with postgres.session() as session:
            session.execute(text("update jobs set delivered_at = now() - interval '1 min' where state = 'queued'"))
        for _ in range(2):
            ticking.tick()
        assert messages("cpu") == {str(waits.id)}
        environment()  # lets go of the database, which is dropped now


def test_every_table_that_names_stored_bytes_is_backed_up(environment: Change) -> None:
    named = text("select table_name from information_schema.columns where column_name like '%blob%' order by 1")
    with postgres.session() as session:
        assert tuple(session.scalars(named)) == (*backups._NOT_DUMPED[:1], *backups._HOLDERS, *backups._NOT_DUMPED[1:])


def test_nothing_is_replaced_under_workers(backup: tuple[Path, Job, Job, bytes]) -> None:
    with postgres.session() as session:
        worker_registry.report(session, "a program", "a host", ["cpu"], "1", [Seen("a worker", 1)])
    with pytest.raises(BackupFailed, match="1 worker is using this database"):
        backups.read(backup[0], replace=True)
    assert queries.job(backup[1].id, "local").state == "succeeded"


def test_a_backup_replaces_nothing_and_leaves_no_half(backup: tuple[Path, Job, Job, bytes], tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="exists already"):
        backups.write(backup[0])
    with pytest.raises(BackupFailed, match="could not be written"):
        backups.write(tmp_path / "no such folder" / "legwork.tar")
    assert [path.name for path in tmp_path.glob("legwork.tar*")] == ["legwork.tar"]


@pytest.mark.slow
def test_bytes_that_are_gone_are_told(backup: tuple[Path, Job, Job, bytes], tmp_path: Path) -> None:
    blob_storage().delete(queries.output_files(backup[1])[0].blob)
    assert backups.write(tmp_path / "second.tar").missing == 1


def tar(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w") as made:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


MANIFEST = {"format": 1, "version": "9.9.9", "tables": "0001", "at": "2026-11-24"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"letter.txt": b"hello"}, "manifest.json is not in its place"),
        ({"manifest.json": b"{"}, "manifest cannot be read"),
        ({"manifest.json": json.dumps(MANIFEST).encode()}, "database.dump is not in its place"),
        ({"manifest.json": json.dumps(MANIFEST | {"tables": "9999"}).encode()}, "Install that version first"),
    ],
)
def test_what_is_no_backup_is_refused_before_anything_goes(
    environment: Change, tmp_path: Path, members: dict[str, bytes], words: str
) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds")
    job = commands.submit("nap", {}, owner="local")
    with pytest.raises(BackupFailed, match=words):
        backups.read(tar(tmp_path / "odd.tar", **members), replace=True)
    (tmp_path / "text").write_text("no tar")
    with pytest.raises(BackupFailed, match="could not be read as a backup"):
        backups.read(tmp_path / "text", replace=True)
    assert queries.job(job.id, "local").state == "queued"


@pytest.mark.slow
def test_names_in_a_backup_never_become_paths(backup: tuple[Path, Job, Job, bytes], tmp_path: Path) -> None:
    odd = tmp_path / "odd.tar"
    with tarfile.open(backup[0]) as whole, tarfile.open(odd, "w") as copy:
        for member in whole:
            content = whole.extractfile(member)
            if member.name.startswith("files/"):
                member.name = "files/../../../evil"
            copy.addfile(member, content)
    with pytest.raises(BackupFailed, match=r"it contains 'files/\.\./\.\./\.\./evil'"):
        backups.read(odd, replace=True)
    assert not list(tmp_path.rglob("evil"))
