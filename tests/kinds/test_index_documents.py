"""Indexing a collection: what is new, what is kept, what goes on answering when it fails."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from jobs import index_documents
from jobs.engine import library
from jobs.engine.db import postgres
from jobs.engine.queue import commands, queries
from tests.engine import workers
from tests.fake_provider import FakeProvider
from tests.kinds.job_runs import OWNER, done, errors, items, run


@pytest.fixture
def provider(environment: Callable[..., None]) -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        environment(OPENAI_BASE_URL=running.base_url, OPENAI_API_KEY="sk-test", EMBEDDING_MODEL="fake-embed")
        yield running


def fill(count: int = 6, collection: str = "a") -> list[str]:
    return [str(library.add_text(OWNER, collection, f"T{n}", f"Text number {n}.")) for n in range(count)]


def change(document: str, body: str) -> None:
    with postgres.session() as session:
        values = {"id": document, "body": body}
        session.execute(text("update documents set text = :body, updated_at = now() where id = :id"), values)


def titles(q: str, limit: int = 20) -> set[str]:
    return {passage.title for passage in library.search(OWNER, q, "a", limit)}


def chunks() -> int:
    with postgres.session() as session:
        return session.scalar(text("select count(*) from chunks")) or 0


def asked(provider: FakeProvider) -> list[str]:
    """The texts that were embedded, without the titles before them."""
    lines = [line for call in provider.calls() if call["status"] == 200 for line in call["prompt"].split("\n")]
    return [line for line in lines if not re.fullmatch(r"T\d+", line)]


def test_the_example_can_be_searched(environment: Callable[..., None]) -> None:
    job = done("index_documents", **index_documents.EXAMPLE)
    assert (job.state, job.result["indexed"], job.result["live"]) == ("succeeded", 1, True)
    found = library.search(OWNER, "what happens when I lose the key to the shop?", "samples")
    assert found[0].headings.endswith("Keys")
    assert library.search(OWNER, "TK-210")[0].headings.endswith("Keys")


@pytest.mark.slow
def test_readmes_of_packages_are_found_by_what_they_are_for(environment: Callable[..., None]) -> None:
    purposes = {
        "redis": "talk to an in-memory key-value store",
        "alembic": "change the schema of a database step by step",
        "pillow": "open and save pictures",
        "Flask": "a lightweight framework for web applications",
        "openpyxl": "read and write spreadsheets",
        "psycopg": "connect to PostgreSQL",
    }
    for name in purposes:
        body = str(importlib.metadata.metadata(name).get_payload())
        library.add_text(OWNER, "a", name, body[:6_000])
    assert done("index_documents", collection="a").result["indexed"] == 6
    first = {name: library.search(OWNER, purpose, "a")[0].title for name, purpose in purposes.items()}
    assert sum(name == found for name, found in first.items()) >= 5


def test_only_what_changed_is_embedded_again(provider: FakeProvider) -> None:
    numbers = fill()
    first = done("index_documents", collection="a")
    assert (first.result["received"], first.result["indexed"], first.result["passages"]) == (6, 6, 6)
    assert sorted(asked(provider)) == [f"Text number {n}." for n in range(6)]
    change(numbers[2], "Something new.")
    library.delete(numbers[3], OWNER)
    second = done("index_documents", collection="a")
    assert (second.result["received"], second.result["indexed"], second.result["unchanged"]) == (5, 1, 4)
    assert asked(provider)[6:] == ["Something new."]
    assert chunks() == 5
    third = done("index_documents", collection="a", rebuild=True, chunk_size=50, overlap=5)
    assert (third.result["indexed"], len(asked(provider))) == (5, 7)


def test_a_failed_rebuild_leaves_the_old_one_answering(provider: FakeProvider) -> None:
    numbers = fill(3)
    done("index_documents", collection="a")
    before = library.live(OWNER, "a")[0].id
    for number in numbers:
        change(number, f"New {number}")
    provider.script(do=[{"do": "status", "status": 401, "calls": 99, "match": "New"}])
    job = done("index_documents", collection="a")
    assert (job.state, job.reason) == ("failed", "provider_refused_key")
    assert library.live(OWNER, "a")[0].id == before
    assert titles("Text number 1") == {"T0", "T1", "T2"}
    provider.script(do=[{"do": "status", "status": 400, "calls": 99, "match": "New"}])
    assert done("index_documents", collection="a").state == "failed"
    assert (library.live(OWNER, "a")[0].id, chunks()) == (before, 3)


def test_a_document_that_fails_stays_as_it_was(provider: FakeProvider) -> None:
    numbers = fill(3)
    done("index_documents", collection="a")
    change(numbers[0], "bad one")
    change(numbers[1], "good one")
    provider.script(do=[{"do": "status", "status": 400, "calls": 99, "match": "bad"}])
    job = done("index_documents", collection="a")
    assert (job.state, job.failed, job.result["live"]) == ("partial", 1, True)
    texts = {passage.text for number in numbers for passage in library.passages(OWNER, number)}
    assert texts == {"Text number 0.", "good one", "Text number 2."}


def test_a_try_changes_nothing(environment: Callable[..., None]) -> None:
    fill(3)
    job = done("index_documents", sample=2, collection="a")
    assert (job.done, job.result["live"], chunks(), library.live(OWNER)) == (2, False, 0, [])


def test_documents_without_text_are_skipped(environment: Callable[..., None]) -> None:
    fill(1)
    library.add_text(OWNER, "a", "Empty", " \n ")
    job = done("index_documents", collection="a")
    assert [(item.state, item.error) for item in items(job)] == [("done", None), ("skipped", "It has no text.")]
    assert (job.state, job.result["without_text"]) == ("succeeded", 1)


def test_another_model_makes_an_index_of_its_own(provider: FakeProvider) -> None:
    fill(2)
    done("index_documents", collection="a")
    job = done("index_documents", collection="a", model="all-MiniLM-L6-v2")
    assert (job.result["indexed"], job.result["dimension"]) == (2, 384)
    assert titles("number") == {"T0", "T1"}


@pytest.mark.slow
def test_a_stopped_job_leaves_the_old_one_and_goes_on_later(provider: FakeProvider) -> None:
    fill(2)
    done("index_documents", collection="a")
    fill(60)
    provider.script(latency=0.4)
    job = commands.submit("index_documents", {"collection": "a"}, owner=OWNER)
    with workers.running("--queues", "io", "--processes", "1"):
        workers.begun(job, 4)
        assert len(titles("number", limit=70)) == 2  # the old one answers as long as this one is built
        commands.cancel(job.id, owner=OWNER)
        job = workers.ended(job)
    assert (job.state, job.done < 62) == ("cancelled", True)
    assert len(titles("number", limit=70)) == 2
    commands.retry(job.id, owner=OWNER, items="failed")
    job = run(job)
    assert (job.state, job.done, len(library.search(OWNER, "number", "a", 70))) == ("succeeded", 62, 62)


@pytest.mark.slow
def test_a_killed_worker_goes_on_with_the_same_index(provider: FakeProvider) -> None:
    fill(60)
    provider.script(latency=0.3)
    job = commands.submit("index_documents", {"collection": "a"}, owner=OWNER)
    with workers.running("--queues", "io", "--processes", "1") as program:
        workers.begun(job, 8)
        workers.kill(*program.horses)
        job = workers.ended(job)
    assert (job.state, job.done, job.result["passages"]) == ("succeeded", 60, 60)
    assert len(queries.attempts(job)) == 2
    assert len(asked(provider)) - 60 <= 16  # what was in flight


def test_a_later_job_clears_away_what_a_failed_one_built(provider: FakeProvider) -> None:
    fill(2)
    provider.script(do=[{"do": "status", "status": 402, "calls": 1}])
    job = done("index_documents", collection="a")
    assert job.reason == "provider_credit"
    done("index_documents", collection="a")
    commands.retry(job.id, owner=OWNER, items="failed")
    assert run(job).reason == "superseded"
    assert titles("number") == {"T0", "T1"}


def test_wrong_params_are_named(environment: Callable[..., None]) -> None:
    assert set(errors("index_documents", collection=" ", chunk_size=40, overlap=30, model="other")) == {
        "collection",
        "overlap",
        "model",
    }
    job = done("index_documents", collection="nothing here")
    assert (job.state, job.reason) == ("failed", "empty")
