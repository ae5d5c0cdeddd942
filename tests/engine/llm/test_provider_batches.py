"""A provider's own batches: the one that is ours is found again, so that nothing is billed twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.engine.llm.provider_batches import ProviderAccount

SINCE = datetime(2026, 11, 30, 12, 0, 10, 500_000, UTC)
OURS = {"legwork_job": "1", "legwork_batch": "1"}


def batch(seconds: float, labels: dict[str, str], name: str) -> Any:
    made = int((SINCE + timedelta(seconds=seconds)).timestamp())
    about = {"id": name, "status": "in_progress", "errors": None, "output_file_id": None, "error_file_id": None}
    return SimpleNamespace(created_at=made, metadata=labels, **about)


@pytest.mark.parametrize("behind", [0, 60])
def test_ours_is_found_behind_others_of_the_same_second(
    environment: object, monkeypatch: pytest.MonkeyPatch, behind: int
) -> None:
    listed = [batch(0.2 - behind, {}, "theirs"), batch(0.1 - behind, OURS, "ours"), batch(-3600, {}, "old")]
    with ProviderAccount() as account:
        monkeypatch.setattr(account._client.batches, "list", lambda limit: listed)
        found = account.find(OURS, SINCE)
        assert found and found.id == "ours"
        assert account.find({"legwork_job": "2"}, SINCE) is None
