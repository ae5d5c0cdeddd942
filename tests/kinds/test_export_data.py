"""Documents, jobs and items out, and documents in again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from jobs import export_data
from jobs.engine import library
from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.kits.bulk import snapshots
from jobs.engine.queue import commands, queries
from tests.engine import workers
from tests.kinds.job_runs import OWNER, content, done, errors, run, upload

FIELDS = ("title", "text", "tags", "meta", "name", "media_type", "language", "words", "sha256")
ODD = (
    ("Formula", "=1+1", ["=a"], {"f": "=cmd|x", "n": 1.5, "deep": {"a": [1, None, True]}}),
    ("Lines", 'He said "yes",\nthen\n\tno;\n', ["a,b", "c d"], {}),
    ("-5", "'quoted'", [], {"empty": ""}),
    ("Grüße 漢字 \u202e🙂", " spaces around ", ["é"], {"ключ": "значение"}),
    ("'", "-", ["[1]"], {"id": "kept", "sha256": "too"}),
)


def filled(collection: str = "odd") -> None:
    for title, text, tags, meta in ODD:
        library.add_text(OWNER, collection, title, text, tags=tags, meta=meta, language="en", name=f"{title}.txt")


def exported(**params: Any) -> tuple[Job, bytes]:
    job = done("export_data", **params)
    assert job.state == "succeeded", job.message
    (file,) = queries.output_files(job)
    assert len(content(file)) == job.result["bytes"]
    return job, content(file)


def shelf(collection: str) -> list[dict[str, Any]]:
    found = [library.document(one.id, OWNER, with_text=True) for one in library.each(OWNER, collection)]
    return [{name: getattr(one, name) for name in FIELDS} for one in found]


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx", "parquet"])
def test_an_import_of_an_export_gives_the_same_back(environment: Callable[..., None], format: str) -> None:
    filled()
    if format != "xlsx":  # which writes a carriage return in a way of its own
        library.add_text(OWNER, "odd", "Windows", "a\r\nb")
    count = library.count(OWNER)
    library.add_text(OWNER, "other", "Not in it", "text")
    job, data = exported(filter={"collection": "odd"}, format=format)
    assert (job.result["rows"], job.total) == (count, count)
    back = done("import_data", source=upload(data, f"odd.{format}"), collection="back")
    assert (back.state, back.result["new"]) == ("succeeded", count)
    assert shelf("back") == shelf("odd")
    same = done("import_data", source=upload(data, f"odd.{format}"), collection="odd", key="id")
    assert same.result["unchanged"] == count


def test_columns_and_filters_are_chosen(environment: Callable[..., None]) -> None:
    filled()
    _, data = exported(format="jsonl", columns=["tags", "title"], filter={"tag": "c d", "collection": "odd"})
    assert lines(data) == [{"tags": ["a,b", "c d"], "title": "Lines"}]
    _, data = exported(format="jsonl", columns=["title"], filter={"q": "FORMULA"}, compress="gzip")
    assert lines(gzip.decompress(data)) == [{"title": "Formula"}]
    job, data = exported(format="csv", filter={"collection": "none"})
    assert job.result["rows"] == 0 and data.decode("utf-8-sig").startswith("id,collection,title,text")
    job = done("export_data", sample=2, format="jsonl")
    assert (job.result["rows"], len(lines(content(queries.output_files(job)[0])))) == (2, 2)


def test_jobs_and_items(environment: Callable[..., None]) -> None:
    table = b'{"title": "a"}\n{"title": ""}\n{"title": "c", "late": 3}\n'
    made = done("import_data", source=upload(table, "t.jsonl"))
    _, data = exported(what="items", filter={"job": str(made.id)}, format="jsonl")
    first, second, third = lines(data)
    assert (list(first), first["status"]) == (["title", "status", "document", "_state", "_error"], "new")
    assert (second["_state"], third["late"]) == ("failed", 3) and "neither a title" in second["_error"]
    _, data = exported(what="items", filter={"job": str(made.id), "state": "failed"}, columns=["_error"])
    assert len(data.splitlines()) == 2
    _, data = exported(what="jobs", filter={"kind": "import_data", "state": "partial"}, format="jsonl")
    (told,) = lines(data)
    assert (told["id"], told["failed"], told["result"]["new"]) == (str(made.id), 1, 2)


def test_what_is_not_mine_is_not_there(environment: Callable[..., None]) -> None:
    library.add_text("someone", "odd", "Theirs", "text")
    theirs = commands.submit("export_data", {"what": "jobs"}, owner="someone")
    assert exported(format="jsonl")[1] == b""
    assert str(theirs.id) not in exported(what="jobs", format="jsonl")[1].decode()
    for job_id in (str(theirs.id), str(uuid4()), "no id"):
        job = done("export_data", what="items", filter={"job": job_id})
        assert (job.state, job.reason) == ("failed", "not_found")


def test_params_are_judged_before(environment: Callable[..., None]) -> None:
    assert "collection, tag, q" in errors("export_data", filter={"kind": "x"})["filter"]
    assert "no “vector”" in errors("export_data", columns=["vector"])["columns"]
    assert "no such state" in errors("export_data", what="jobs", filter={"state": "lost"})["filter"]
    assert "Name the job" in errors("export_data", what="items")["filter"]
    assert set(errors("export_data", format="pdf", compress="zip")) == {"format", "compress"}


def test_it_is_all_of_one_moment(environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    filled()
    counted = snapshots.count

    def meanwhile(*arguments: Any) -> int:
        found = counted(*arguments)
        with postgres.session() as session:
            session.delete(session.scalars(snapshots.documents_where(OWNER, q="Formula")).one())
        library.add_text(OWNER, "odd", "Late", "text")
        return found

    monkeypatch.setattr(snapshots, "count", meanwhile)
    _, data = exported(format="jsonl")
    assert [one["title"] for one in lines(data)] == [one[0] for one in ODD]


def test_it_ends_when_it_must(environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    filled()
    job = commands.submit("export_data", {"format": "jsonl"}, owner=OWNER)
    found = snapshots.rows

    def stopped(*arguments: Any) -> Iterator[dict[str, Any]]:
        commands.cancel(job.id, owner=OWNER)
        for row in found(*arguments):
            yield from [row] * 20_000

    monkeypatch.setattr(snapshots, "rows", stopped)
    monkeypatch.setattr(export_data, "LOOK", 1)
    assert run(job).state == "cancelled"
    assert queries.output_files(job) == []


@pytest.mark.slow
def test_real_tables_and_a_kill(environment: Callable[..., None], vega: Path) -> None:
    imported = done("import_data", source=upload(vega / "airports.csv"), mapping={"title": "name"}, key="iata")
    job = commands.submit("export_data", {"format": "parquet"}, owner=OWNER)
    with workers.running("--queues", "cpu", "--processes", "1") as program:
        workers.until(lambda: program.horses)
        workers.kill(*program.horses)
        job = workers.ended(job)
    assert (job.state, job.result["rows"]) == ("succeeded", imported.done)
    assert len(queries.output_files(job)) == 1
