"""Pages of jobs that an older or a newer version of Legwork left: keys that it had not yet, and keys that are unknown here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.queue.ledger import Outcome
from tests.web import factories

KINDS = sorted(path.stem for path in (Path(__file__).parents[3] / "jobs").glob("[a-z]*.py"))
RESULTS: list[dict[str, Any] | None] = [None, {}, {"from_the_future": {"a": [1, {"b": None}]}}]


@pytest.mark.parametrize("kind", KINDS)
def test_records_with_missing_and_unknown_keys_are_shown(client: FlaskClient, kind: str) -> None:
    for result in RESULTS:
        outcomes = [Outcome("1", 1, "done", {}, result or {}), Outcome("2", 2, "failed", {"x": 1}, None, "odd", "Odd.")]
        job = factories.ended(factories.waiting(), outcomes=outcomes, result=result)
        params = {"from_the_future": True, "files": ["gone"]}
        with postgres.session() as session:
            session.execute(update(Job).where(Job.id == job.id).values(kind=kind, params=params))
        for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/items/1", f"/jobs/{job.id}/items.csv", "/jobs"):
            assert client.get(path).status_code == 200, (path, result)
        for path in (f"/api/v1/jobs/{job.id}", f"/api/v1/jobs/{job.id}/items"):
            assert client.get(path).status_code == 200, (path, result)
