"""The children of a program for many people: some at once, and no owner has all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from jobs.engine.errors import TooMany
from jobs.engine.formats import pdf_pages, tables
from jobs.engine.sandbox import child_limit, confined
from jobs.engine.sandbox.child_limit import ChildLimit


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChildLimit]:
    """Of this process, while the test runs."""
    made = ChildLimit(3, 2, 0.05)
    monkeypatch.setattr(child_limit, "_limit", made)
    child_limit.act_for("anna")
    yield made
    child_limit.act_for("")


def test_an_owner_has_a_share_and_others_the_rest(limit: ChildLimit) -> None:
    with limit.place("anna"), limit.place("anna"):
        with pytest.raises(TooMany) as refused, limit.place("anna"):
            pass
        assert (refused.value.reason, refused.value.retryable) == ("busy", True)
        with limit.place("ben"), pytest.raises(TooMany), limit.place("carla"):
            pass
        with limit.place("carla"):
            pass
    assert not limit._taken


def test_every_child_needs_a_place_and_gives_it_back(
    limit: ChildLimit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = tmp_path_factory.mktemp("table") / "wide.jsonl"
    table.write_bytes(b'{"a": 1}\n' * 20_000)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(limit.place("anna"))
        with pytest.raises(TooMany):
            confined.run("jobs.engine.sandbox", {})
        with pytest.raises(TooMany):
            tables.describe(table, "wide.jsonl")
        with table.open("rb") as stream, pytest.raises(TooMany):
            pdf_pages.page(stream, 1)
        child_limit.act_for("ben")
        assert tables.describe(table, "wide.jsonl").columns == ["a"]
        assert limit._taken == {"anna": 2}
