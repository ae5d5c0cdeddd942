"""Many documents changed at once, and changed back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from jobs.engine import library
from jobs.engine.db.models import Job
from jobs.engine.kits.bulk import snapshots
from jobs.engine.library import upkeep
from jobs.engine.queue import commands, queries
from tests.engine import workers
from tests.fake_provider import FakeProvider
from tests.kinds.job_runs import OWNER, done, errors, items, run

ALL = {"all": True}


def filled(count: int = 3, collection: str = "library") -> None:
    for number in range(count):
        library.add_text(OWNER, collection, f"Title {number}", f"Text {number}", tags=["old"], meta={"n": number})


def updated(operation: str, values: dict[str, Any], selection: dict[str, Any] | None = None, **more: Any) -> Job:
    params = {"operation": operation, "values": values, "selection": selection or ALL, "dry_run": False} | more
    return done("bulk_update", **params)


def shelf() -> list[dict[str, Any]]:
    kept = [name for name in snapshots.DOCUMENT_COLUMNS if name != "updated_at"]
    with snapshots.snapshot() as session:
        return list(snapshots.rows(session, snapshots.documents_where(OWNER), kept))


def undone(job: Job, **more: Any) -> Job:
    return done("bulk_update", operation="undo", values={"job": str(job.id)}, **{"dry_run": False} | more)


def test_each_operation_and_its_undo(environment: Callable[..., None]) -> None:
    filled()
    before = shelf()
    for operation, values, changed in (
        ("tag", {"tags": ["new"]}, {"tags": ["old", "new"]}),
        ("untag", {"tags": ["old"]}, {"tags": []}),
        ("move", {"collection": "archive"}, {"collection": "archive"}),
        ("rename", {"title": "{title} of {collection}"}, {"title": "Title 0 of library"}),
        ("replace", {"find": "Title", "with": "Name"}, {"title": "Name 0"}),
        ("replace", {"field": "text", "find": "Text", "with": "A text"}, {"text": "A text 0", "words": 3}),
        ("set_meta", {"meta": {"year": 1}}, {"meta": {"n": 0, "year": 1}}),
    ):
        job = updated(operation, values)
        assert (job.state, job.result["changed"]) == ("succeeded", 3)
        first = shelf()[0]
        assert {name: first[name] for name in changed} == changed
        assert items(job)[0].output["after"] == {name: value for name, value in changed.items() if name != "words"}
        assert undone(job).result["changed"] == 3
        assert shelf() == before


def test_what_was_deleted_comes_back(environment: Callable[..., None]) -> None:
    filled(5)
    library.add(
        OWNER,
        library.Document(
            collection="library", title="P", text="t", sha256="x", thumbnail=b"\x89PNG", source="s:1", pages=3
        ),
    )
    before = shelf()
    job = updated("delete", {}, {"collection": "library"})
    assert (job.result["changed"], library.count(OWNER)) == (6, 0)
    assert (undone(job, dry_run=True).result["changed"], library.count(OWNER)) == (6, 0)
    assert undone(job).state == "succeeded"
    assert shelf() == before
    assert library.thumbnail(before[-1]["id"], OWNER) == b"\x89PNG"
    assert undone(job).result["unchanged"] == 6


def test_a_dry_run_changes_nothing(environment: Callable[..., None]) -> None:
    filled()
    before = shelf()
    for operation, values in (("delete", {}), ("tag", {"tags": ["new"]})):
        job = updated(operation, values, dry_run=True)
        assert (job.state, job.result["changed"], job.result["dry_run"]) == ("succeeded", 3, True)
        assert shelf() == before
    assert job.result["examples"][0]["after"] == {"tags": ["old", "new"]}
    assert undone(job).message == "That job was a dry run: it changed nothing."


def test_selections(environment: Callable[..., None]) -> None:
    filled()
    filled(2, "other")
    one = str(shelf()[1]["id"])
    assert updated("tag", {"tags": ["a"]}, {"collection": "other"}).result["changed"] == 2
    assert updated("tag", {"tags": ["b"]}, {"q": "title 1", "tag": "a"}).result["changed"] == 1
    assert updated("tag", {"tags": ["c"]}, {"ids": [one]}).result["changed"] == 1
    job = updated("tag", {"tags": ["a"]})
    assert (job.result["changed"], job.result["unchanged"]) == (3, 2)
    gone = updated("untag", {"tags": ["a"]}, {"tag": "a"})
    assert (gone.result["changed"], gone.total) == (5, 5)
    job = done("bulk_update", sample=2, operation="tag", values={"tags": ["x"]}, selection=ALL, dry_run=False)
    assert (job.state, job.total, job.done) == ("succeeded", 2, 2)
    assert updated("tag", {"tags": ["x"]}, {"collection": "none"}).total == 0


def test_one_that_fails_does_not_stop_the_rest(environment: Callable[..., None]) -> None:
    filled()
    library.add_text(OWNER, "library", "X", "text")
    job = updated("replace", {"find": "X"})
    assert (job.state, job.done, job.skipped, job.failed) == ("partial", 0, 3, 1)
    assert items(job)[-1].error == "Its title would be empty."


def test_what_an_undo_brings_back_is_found_again(environment: Callable[..., None]) -> None:
    filled(2)
    library.add_text(OWNER, "no index", "Title 9", "Text 9")
    done("index_documents", collection="library")
    before = {one.title for one in library.search(OWNER, "Title 1", "library")}
    assert len(before) == 2
    job = updated("delete", {})
    assert library.search(OWNER, "Title 1", "library") == []
    back = undone(job)
    assert back.result["search"] == {"found as before": 2, "its collection has no index": 1}
    assert {one.title for one in library.search(OWNER, "Title 1", "library")} == before
    changed = updated("replace", {"field": "text", "find": "Text", "with": "Kettle"})
    updated("reindex", {})
    assert library.search(OWNER, '"Kettle 1"', "library")[0].text == "Kettle 1"
    assert undone(changed).result["search"] == back.result["search"]
    assert library.search(OWNER, '"Text 1"', "library")[0].text == "Text 1"


def test_an_undo_leaves_what_was_changed_since(environment: Callable[..., None]) -> None:
    filled()
    job = updated("rename", {"title": "{title}!"})
    updated("rename", {"title": "Newer"}, {"q": "Title 1"})
    back = undone(job)
    assert (back.state, back.done, back.failed) == ("partial", 2, 1)
    assert [one["title"] for one in shelf()] == ["Title 0", "Newer", "Title 2"]
    assert undone(back).message.startswith("That job is itself an undo")


@pytest.fixture
def provider(environment: Callable[..., None]) -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        address = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "key", "OPENAI_MODEL": "fake-small"}
        environment(**address, EMBEDDING_MODEL="fake-small")
        yield provider


def test_documents_are_summed_up_and_not_twice(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(7)
    library.add_text(OWNER, "library", "Empty", " ")
    before = shelf()
    read = upkeep.question

    def the_first_slowly(owner: str, document_id: UUID, *args: Any, **values: Any) -> dict[str, Any]:
        request = read(owner, document_id, *args, **values)
        time.sleep("Title 0" in str(request) and 0.2)
        return request

    monkeypatch.setattr(upkeep, "question", the_first_slowly)
    dry = updated("summarise", {"words": 20}, dry_run=True)
    assert (dry.result["changed"], dry.skipped, len(provider.calls()), shelf() == before) == (7, 1, 5, True)
    assert dry.result["examples"][0]["after"]["meta"]["summary"].startswith("Answer ")
    job = updated("summarise", {"words": 20})
    assert (job.state, job.result["changed"], job.skipped) == ("succeeded", 7, 1)
    assert all(one["meta"]["summary"].startswith("Answer ") and "n" in one["meta"] for one in shelf()[:7])
    assert job.completion_tokens > 0
    asked = len(provider.calls())
    assert asked == 12
    assert updated("summarise", {}).skipped == 8
    assert len(provider.calls()) == asked
    assert updated("summarise", {"again": True, "words": 20}).result["unchanged"] == 8  # asked again, and said the same
    assert undone(job).result["changed"] == 7
    assert shelf() == before


def test_a_model_that_fails_for_one_leaves_the_rest(provider: FakeProvider) -> None:
    filled(3)
    provider.script(do=[{"do": "status", "status": 400, "calls": 9, "match": "Text 1"}])
    job = updated("summarise", {})
    assert (job.state, job.done, job.failed) == ("partial", 2, 1)
    provider.script()
    job = run(commands.retry(job.id, owner=OWNER, items="failed"))
    assert (job.state, job.done, job.failed) == ("succeeded", 3, 0)


def test_a_changed_document_is_found_by_its_new_words(provider: FakeProvider) -> None:
    filled(3)
    assert updated("reindex", {}).skipped == 3  # there is no index yet
    done("index_documents", collection="library")
    assert updated("reindex", {}).result["unchanged"] == 3
    updated("replace", {"field": "text", "find": "Text 1", "with": "A zebra"})
    assert "zebra" not in found("zebra")
    dry = updated("reindex", {}, dry_run=True)
    assert (dry.result["changed"], "zebra" in found("zebra")) == (1, False)
    job = updated("reindex", {})
    assert (job.state, job.result["changed"], job.result["unchanged"]) == ("succeeded", 1, 2)
    assert "zebra" in found("zebra")
    assert library.live(OWNER, "library")[0].chunks == 3
    assert undone(job).reason == "cannot_undo"


def found(words: str) -> str:
    return " ".join(one.text for one in library.search(OWNER, words))


def test_owners_are_apart(environment: Callable[..., None]) -> None:
    theirs = library.add_text("someone", "library", "Theirs", "text")
    assert updated("delete", {}, {"ids": [str(theirs)]}).total == 0
    assert updated("delete", {}).total == 0
    assert library.document(theirs, "someone").title == "Theirs"
    params = {"operation": "tag", "values": {"tags": ["t"]}, "selection": ALL, "dry_run": False}
    other = commands.submit("bulk_update", params, owner="someone")
    assert undone(other).reason == "not_found"


def test_params_are_judged_before(environment: Callable[..., None]) -> None:
    def wrong(operation: str, values: dict[str, Any], selection: dict[str, Any]) -> dict[str, str]:
        return errors("bulk_update", operation=operation, values=values, selection=selection)

    assert "Say which documents" in wrong("delete", {}, {})["selection"]
    assert "by “colour”" in wrong("delete", {}, {"colour": "red"})["selection"]
    assert "list of at most" in wrong("delete", {}, {"ids": ["x"]})["selection"]
    assert "needs “tags”" in wrong("tag", {}, ALL)["values"]
    assert "must be like" in wrong("tag", {"tags": "a"}, ALL)["values"]
    assert "Each tag" in wrong("tag", {"tags": [" "]}, ALL)["values"]
    assert "1 to 100" in wrong("move", {"collection": " "}, ALL)["values"]
    assert "title or text" in wrong("replace", {"field": "owner", "find": "x"}, ALL)["values"]
    assert set(errors("bulk_update", operation="undo")) == {"values"}
    assert "5 to 500" in wrong("summarise", {"words": 0}, ALL)["values"]
    assert "No model is connected" in wrong("summarise", {}, ALL)["operation"]


@pytest.mark.slow
def test_a_kill_loses_no_image(environment: Callable[..., None]) -> None:
    filled(300)
    before = shelf()
    params = {
        "operation": "move",
        "values": {"collection": "new"},
        "selection": {"collection": "library"},
        "dry_run": False,
    }
    job = commands.submit("bulk_update", params, owner=OWNER)
    with workers.running("--queues", "cpu", "--processes", "1") as program:
        workers.begun(job, 20)
        workers.kill(*program.horses)
        job = workers.ended(job)
    assert (job.state, job.done, job.total) == ("succeeded", 300, 300)
    assert (library.count(OWNER, "new"), len(queries.attempts(job))) == (300, 2)
    assert undone(job).done == 300
    assert shelf() == before
