"""`python -m jobs rotate-secrets`: what is in clear or under an old key is encrypted with the present one."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.operations import backups, doctor
from jobs.engine.operations.secret_rotation import Rotation, rotate_secrets
from jobs.engine.queue import commands, schedules
from jobs.engine.queue.schedules import SchedulePlan
from tests.conftest import CODE
from tests.kinds.job_runs import OWNER, done, run

SECRET = "Xyzzy-plugh-0815"
NEW = "another key, which is just as long as the first"

Change = Callable[..., None]


@pytest.fixture(autouse=True)
def change(environment: Change) -> Change:
    environment(EXTRA_KINDS="tests.sample_kinds")
    return environment


def waiting() -> Any:
    return commands.submit("whisper", {"secret": SECRET}, owner=OWNER)


def scheduled() -> Any:
    return commands.create_schedule(SchedulePlan("whisper", {"secret": SECRET}, "0 6 * * *", "UTC"), owner=OWNER)


def as_before_it_was_encrypted(table: str) -> None:
    with postgres.session() as session:
        params = json.dumps({"secret": SECRET, "wrong": ""})
        session.execute(text(f"update {table} set sealed = null, params = cast(:params as json)"), {"params": params})


def backup(folder: Path) -> str:
    """What a backup holds of the database, as SQL."""
    backups.write(folder / "backup.tar")
    with tarfile.open(folder / "backup.tar") as packed:
        packed.extract("database.dump", folder, filter="data")
    return subprocess.check_output([backups._program("pg_restore"), "--file=-", folder / "database.dump"], text=True)


def test_old_rows_in_clear_are_encrypted_and_those_of_ended_jobs_emptied() -> None:
    ended, job, schedule = done("whisper", secret=SECRET), waiting(), scheduled()
    for table in ("jobs", "schedules"):
        as_before_it_was_encrypted(table)
    assert rotate_secrets() == Rotation(encrypted=2, emptied=1)
    assert rotate_secrets() == Rotation()
    with postgres.session() as session:
        rows = session.execute(
            text(
                "select params::text, sealed::text from jobs union all select params::text, sealed::text from schedules"
            )
        )
        assert SECRET not in str(rows.all())
    assert run(job).state == "succeeded"
    assert run(commands.run_schedule(schedule.id, owner=OWNER, key="a")).state == "succeeded"
    assert ended.ended


def test_a_row_in_clear_runs_as_before() -> None:
    job = waiting()
    as_before_it_was_encrypted("jobs")
    assert run(job).result["length"] == len(SECRET)


@pytest.mark.slow
def test_the_command_needs_the_old_key_after_a_change(change: Change, tmp_path: Path) -> None:
    job, schedule = waiting(), scheduled()
    (tmp_path / "old").write_text("for tests\n")
    change(SECRET_KEY=NEW)
    command = [sys.executable, "-m", "jobs", "rotate-secrets"]
    without = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    assert (without.returncode, "2 could not be read" in without.stderr) == (1, True)
    given = subprocess.run(
        [*command, "--old-key-file", str(tmp_path / "old")], cwd=CODE, capture_output=True, text=True, check=False
    )
    assert (given.returncode, given.stderr) == (0, "")
    assert "2 jobs and schedules" in given.stdout
    assert run(job).state == "succeeded"
    assert schedules.schedule(schedule.id, OWNER).sealed


@pytest.mark.slow
def test_a_backup_holds_no_secret_in_clear(tmp_path: Path) -> None:
    waiting(), scheduled(), done("whisper", secret=SECRET), done("whisper", secret=SECRET, wrong="bad")
    dump = backup(tmp_path)
    assert "gAAAA" in dump
    assert SECRET not in dump


def test_the_doctor_says_what_is_in_clear_or_under_another_key(change: Change) -> None:
    waiting(), scheduled()
    assert secret_lines() == []
    as_before_it_was_encrypted("jobs")
    change(EXTRA_KINDS="tests.sample_kinds", SECRET_KEY=NEW)
    [clear, unreadable] = secret_lines()
    assert "Stored in clear: 1 of jobs" in clear and "rotate-secrets" in clear
    assert "Under another SECRET_KEY: 1 of jobs" in unreadable and "--old-key-file" in unreadable


def secret_lines() -> list[str]:
    return [line for line in doctor.format_report(doctor.examine()).splitlines() if " Secrets " in line]
