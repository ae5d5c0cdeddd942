"""Processes that do not share their files are found, and said on the job, in doctor and under Operations."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.engine.db import postgres
from jobs.engine.errors import FileMissing
from jobs.engine.files import open_file, storage_id, upload
from jobs.engine.files.storage_id import hosts_with_other_storage
from jobs.engine.operations.health import files_health
from jobs.engine.queue import commands, ledger, queries, worker_registry
from jobs.engine.worker.run import Run

Change = Callable[..., None]


def reported(storage: str) -> None:
    with postgres.session() as session:
        seen = [worker_registry.Seen("worker-1", 1)]
        worker_registry.report(session, "program", "far-host", ["cpu"], "1", seen, storage)


def others() -> list[str]:
    with postgres.session() as session:
        return hosts_with_other_storage(session)


def test_a_folder_keeps_its_id_and_another_has_another(environment: Change, tmp_path: Path) -> None:
    first = storage_id.storage_id()
    assert first
    assert storage_id.storage_id() == first
    environment(DATA_DIR=str(tmp_path / "elsewhere"))
    assert storage_id.storage_id() not in ("", first)
    environment(STORAGE_URL="s3://bucket/prefix?endpoint=http://somewhere")
    assert storage_id.storage_id() == "s3://bucket/prefix"


def test_a_worker_with_another_disk_is_told_of(environment: Change, tmp_path: Path) -> None:
    reported(storage_id.storage_id())
    assert others() == []
    assert files_health().state == "ok"
    reported("")  # of the version before, which reports none
    assert others() == []
    reported("another disk")
    assert others() == ["far-host"]
    found = files_health()
    assert (found.state, found.words) == ("wrong", "Not shared with the workers on far-host")
    assert "STORAGE_URL" in found.advice


def test_a_job_whose_upload_is_on_another_disk_fails_at_once(environment: Change, tmp_path: Path) -> None:
    file = upload(io.BytesIO(b"a,b\n1,2\n"), "numbers.csv", owner="local")
    environment(EXTRA_KINDS="tests.sample_kinds")
    job = commands.submit("read_rows", {"source": str(file.id)}, owner="local")
    environment(DATA_DIR=str(tmp_path / "of-the-worker"))
    with postgres.autocommit() as connection:
        claim = ledger.claim(connection, job.id, "worker-1")
    assert claim
    run = Run(claim)
    run.work()
    assert run.settle() == "failed"
    left = queries.job(job.id, "local")
    assert left.reason == "file_missing"
    assert "does not share the files of the site" in (left.message or "")
    with pytest.raises(FileMissing, match="STORAGE_URL"):
        open_file(file)
