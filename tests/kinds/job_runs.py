"""One job in this process: handed in, claimed, run, and looked at."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from jobs.engine.db import postgres
from jobs.engine.db.models import File, Item, Job
from jobs.engine.errors import InvalidParams
from jobs.engine.files import lookup, uploads
from jobs.engine.queue import commands, ledger, queries
from jobs.engine.worker.run import GIVEN_BACK, Run

OWNER = "local"


def upload(content: bytes | Path, name: str = "") -> str:
    """The id of a new upload."""
    data = content.read_bytes() if isinstance(content, Path) else content
    return str(uploads.upload(io.BytesIO(data), name or getattr(content, "name", "file"), owner=OWNER).id)


def run(job: Job) -> Job:
    """One attempt."""
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "test")
    assert claim
    attempt = Run(claim)
    attempt.work()
    attempt.settle()
    job = queries.job(job.id, OWNER)
    print(job.state, job.reason, job.message, job.detail)  # shown where a test fails
    return job


def give_back(attempt: Run) -> None:
    """As the worker of an attempt that was shut down does."""
    assert attempt.settle() == GIVEN_BACK
    with postgres.session() as session:
        ledger.release(session.connection(), attempt.claim.job_id, attempt.claim.lease)


def done(kind: str, sample: int | None = None, **params: Any) -> Job:
    """A new job of that kind, after one attempt."""
    return run(commands.submit(kind, params, owner=OWNER, sample=sample))


def errors(kind: str, **params: Any) -> dict[str, str]:
    """Why the params are refused, by field."""
    with pytest.raises(InvalidParams) as error:
        commands.submit(kind, params, owner=OWNER)
    return {one.field: one.message for one in error.value.errors}


def items(job: Job) -> list[Item]:
    with postgres.session() as session:
        return list(session.scalars(select(Item).where(Item.job_id == job.id).order_by(Item.position, Item.key)))


def content(file: File) -> bytes:
    with lookup.open_file(file) as opened:
        return opened.read()
