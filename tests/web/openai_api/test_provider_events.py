"""Webhooks of a provider: only what it has signed is heard, and all it does is that the clock looks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import openai
import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from jobs import simulate
from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.db.models import ProviderBatch
from jobs.engine.queue import commands
from jobs.engine.sandbox import webhook_signatures

SECRET = "whsec_bm90IGEgcmVhbCBzZWNyZXQsIGJ1dCBsb25n"
BODY = json.dumps({"id": "evt_1", "type": "batch.completed", "data": {"id": "batch_x"}}).encode()


def signed(body: bytes = BODY, secret: str = SECRET, late: int = 0) -> dict[str, str]:
    at = int(time.time()) - late
    signature = f"v1,bm8= {webhook_signatures.sign(secret, 'evt_1', at, body)}"
    return {"webhook-id": "evt_1", "webhook-timestamp": str(at), "webhook-signature": signature}


@pytest.fixture
def post(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, dict[str, str]], int]:
    known = replace(settings.current(), provider_webhook_secret=SECRET)
    monkeypatch.setattr(settings, "current", lambda: known)
    return lambda body, headers: client.post("/hooks/openai", data=body, headers=headers).status_code


def is_due() -> bool:
    with postgres.session() as session:
        return session.scalar(select(ProviderBatch.look_at <= func.now())) or False


@pytest.mark.usefixtures("clean")
def test_a_signed_event_makes_the_clock_look(post: Callable[[bytes, dict[str, str]], int]) -> None:
    job = commands.submit("simulate", simulate.EXAMPLE, owner="local")
    with postgres.session() as session:
        row = ProviderBatch(job_id=job.id, number=1, state="created", first=1, last=1, requests=1, endpoint="/v1/x")
        row.input_file, row.batch_id, row.look_at = "file-1", "batch_x", datetime.now(UTC) + timedelta(hours=1)
        session.add(row)
    assert post(BODY.replace(b"batch.completed", b"response.done"), signed()) == 400
    assert post(BODY, signed(late=3600)) == post(BODY, signed(secret="another")) == post(BODY, {}) == 400
    other = BODY.replace(b"batch.", b"video.")
    assert post(other, signed(other)) == 204 and not is_due()
    assert post(b"[1]", signed(b"[1]")) == 400
    assert post(BODY, signed()) == 204 and is_due()


def test_without_a_secret_nothing_is_heard(client: FlaskClient) -> None:
    assert client.post("/hooks/openai", data=BODY, headers=signed()).status_code == 404


def test_it_is_signed_as_the_providers_own_package_reads_it() -> None:
    with openai.OpenAI(api_key="none", webhook_secret=SECRET) as theirs:
        theirs.webhooks.verify_signature(BODY, signed())
        with pytest.raises(openai.InvalidWebhookSignatureError):
            theirs.webhooks.verify_signature(BODY + b" ", signed())
