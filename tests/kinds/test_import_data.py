"""Tables into the library: real ones, and rows that do not fit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.engine import library
from jobs.engine.db.models import Job, new_id
from jobs.engine.errors import BadInput, InvalidParams, JobFailed
from jobs.engine.library import bulk, fields
from jobs.engine.queue import commands, queries
from jobs.engine.worker import micro_batches
from tests.engine import workers
from tests.kinds.job_runs import OWNER, content, done, errors, items, run, upload

TABLE = """id,title,body,tags,price
1,Kettle,Boils fast.,"red, kitchen",20
2,Lamp,Shines.,"[""desk"", ""light, warm""]",35
3,Rug,Lies there.,,
"""
MAPPING = {"title": "title", "text": "body", "tags": "tags"}


def imported(text: str, name: str = "t.csv", **params: Any) -> Job:
    return done("import_data", source=upload(text.encode(), name), **{"mapping": MAPPING, "key": "id"} | params)


def shelf(collection: str = "library") -> list[library.Document]:
    return [library.document(one.id, OWNER, with_text=True) for one in library.each(OWNER, collection)]


def counts(job: Job) -> dict[str, int]:
    return {name: job.result[name] for name in ("new", "updated", "unchanged", "skipped", "failed") if job.result[name]}


def test_rows_become_documents(environment: Callable[..., None]) -> None:
    job = imported(TABLE, collection="shop")
    assert (job.state, job.total, counts(job)) == ("succeeded", 3, {"new": 3})
    kettle, lamp, rug = shelf("shop")
    assert (kettle.title, kettle.text, kettle.tags, kettle.words) == ("Kettle", "Boils fast.", ["red", "kitchen"], 2)
    assert (kettle.meta, lamp.tags, rug.tags) == ({"id": "1", "price": "20"}, ["desk", "light, warm"], [])
    assert [one.output["document"] for one in items(job)] == [str(one.id) for one in (kettle, lamp, rug)]


def test_a_later_import_updates_what_changed(environment: Callable[..., None]) -> None:
    imported(TABLE)
    before = shelf()
    job = imported(TABLE.replace("Shines.", "Shines no more.").replace(",20", ",25") + "4,New,One.,,\n")
    assert counts(job) == {"new": 1, "updated": 2, "unchanged": 1}
    lamp = next(one for one in job.result["examples"] if one["row"] == 2)
    assert lamp["changes"] == {"text": ["Shines.", "Shines no more."]}
    after = shelf()
    assert [one.id for one in after[:3]] == [one.id for one in before]
    assert after[1].sha256 != before[1].sha256 and after[2].updated_at == before[2].updated_at
    assert after[0].meta == {"id": "1", "price": "25"}
    again = imported(TABLE, mode="insert")
    assert (again.state, counts(again)) == ("succeeded", {"skipped": 3})
    assert "in “library” already" in items(again)[0].error
    only_tags = imported("id,tags\n1,sold\n", mapping={"tags": "tags"})
    assert (counts(only_tags), shelf()[0].tags, shelf()[0].text) == ({"updated": 1}, ["sold"], "Boils fast.")


def test_a_dry_run_says_what_would_change_and_changes_nothing(environment: Callable[..., None]) -> None:
    imported(TABLE)
    kept = [(one.text, one.updated_at) for one in shelf()]
    job = imported(TABLE.replace("Lies", "Lay") + "9,x,y,,\n,no key,,,\n", dry_run=True)
    assert (job.result["dry_run"], counts(job)) == (True, {"new": 1, "updated": 1, "unchanged": 2, "failed": 1})
    assert [one["status"] for one in job.result["examples"]] == ["new", "updated"]
    assert [(one.text, one.updated_at) for one in shelf()] == kept


def test_rows_that_do_not_fit_come_back_as_a_table(environment: Callable[..., None]) -> None:
    bad = "id,title,body,tags,price\n1,A,a,,\n,B,b,,=1+1\n3,,,,7\n4,D,d,,\n"
    job = imported(bad)
    assert (job.state, counts(job), job.done + job.failed) == ("partial", {"new": 2, "failed": 2}, 4)
    (file,) = queries.output_files(job)
    first, *lines = content(file).decode("utf-8-sig").splitlines()
    assert (file.name, first) == ("rejected rows.csv", "id,title,body,tags,price,error")
    assert lines[0].startswith(",B,b,,'=1+1,The key “id” is empty")
    mended = content(file).replace(b"\n,B", b"\n2,B").replace(b"3,,", b"3,C,")
    again = done("import_data", source=upload(mended, file.name), mapping=MAPPING, key="id")
    assert counts(again) == {"new": 2}
    assert sorted((one.title, one.meta.get("price")) for one in shelf())[1:3] == [("B", "=1+1"), ("C", "7")]
    assert all("error" not in one.meta for one in shelf())


def test_abort_ends_at_the_first_row_that_does_not_fit(environment: Callable[..., None]) -> None:
    many = "".join(f"{n},T{n},t,,\n" if n != 700 else ",bad,,,\n" for n in range(1, 1_001))
    job = imported("id,title,body,tags,price\n" + many, on_error="abort")
    assert (job.state, job.done, library.count(OWNER)) == ("failed", 699, 699)
    assert job.message.startswith("Row 700: The key “id” is empty")


def test_one_key_twice_is_one_document(environment: Callable[..., None]) -> None:
    twice = "id,title\n1,first\n1,second\n2,other\n"
    job = imported(twice, mapping={"title": "title"})
    assert (counts(job), [one.title for one in shelf()]) == ({"new": 2, "updated": 1}, ["second", "other"])
    run_again = done("import_data", source=upload(twice.encode(), "t.csv"), mapping={"title": "title"})
    assert (counts(run_again), library.count(OWNER)) == ({"new": 3}, 5)  # without a key every row is new
    commands.retry(run_again.id, owner=OWNER)
    assert (counts(run(run_again)), library.count(OWNER)) == ({"new": 3}, 5)


def test_an_id_is_a_key_and_owners_are_apart(environment: Callable[..., None]) -> None:
    mine = library.add_text(OWNER, "library", "Mine", "text")
    theirs = library.add_text("someone", "library", "Theirs", "text")
    job = imported(f"id,title\n{mine},New\n{theirs},Stolen\n", mapping={"title": "title"})
    assert counts(job) == {"updated": 1, "new": 1}
    assert library.document(theirs, "someone").title == "Theirs"
    assert library.document(mine, OWNER).title == "New"


def test_params_are_judged_before(environment: Callable[..., None]) -> None:
    table = upload(TABLE.encode(), "t.csv")
    assert set(errors("import_data", source=table, key="no", collection=" ")) == {"key", "collection"}
    assert "There are: title, text" in errors("import_data", source=table, mapping={"colour": "id"})["mapping"]
    assert "no column “x”" in errors("import_data", source=table, mapping={"text": "x"})["mapping"]
    assert "title or the text" in errors("import_data", source=upload(b"a,b\n1,2\n", "t.csv"))["mapping"]
    assert set(errors("import_data", source=upload(b"\x89PNG\r\n\x1a\n", "p.csv"))) == {"source"}


@pytest.mark.slow
def test_a_table_that_breaks_off_is_refused_by_its_line(environment: Callable[..., None]) -> None:
    lines = [json.dumps({"id": n, "title": f"T{n}", "text": "x" * 60}) for n in range(14_000)]
    lines[13_000] = '{"id": 5, "ti'
    with pytest.raises(InvalidParams, match="Line 13,001 is not JSON"):
        imported("\n".join(lines), "t.jsonl", mapping={}, key="id")


def test_values_find_their_shape() -> None:
    row = {"t": " Title ", "m": '{"a": 1}', "g": "x; y;x", "l": "", "b": True, "n": None, "f": "'-2+3", "q": "'quoted'"}
    found = fields.values(row, {"title": "t", "meta": "m", "tags": "g", "language": "l"}, ["b", "n", "f", "q"], True)
    assert found["meta"] == {"a": 1, "b": True, "f": "-2+3", "q": "'quoted'"}
    assert (found["title"], found["tags"], found["language"]) == ("Title", ["x", "y"], None)
    for wrong in ({"m": "[1]"}, {"m": "words"}):
        with pytest.raises(BadInput, match="JSON object"):
            fields.values(wrong, {"meta": "m"}, [], False)


def test_ids_follow_the_rows() -> None:
    job = new_id()
    made = [bulk.document_id(job, place) for place in (1, 2, 4_194_303, 4_194_304, 10**9)]
    assert made == sorted(made) and len(set(made)) == 5
    assert {(one.version, one.variant) for one in made} == {(job.version, job.variant)}
    assert bulk.document_id(new_id(), 1) != made[0]


def test_real_tables(environment: Callable[..., None], vega: Path) -> None:
    cars = upload(vega / "cars.json", "cars.json")
    job = done("import_data", source=cars, collection="cars", mapping={"title": "Name"})
    assert (job.state, counts(job)) == ("succeeded", {"new": 406})
    assert shelf("cars")[0].meta["Horsepower"] == 130
    airports = done("import_data", source=upload(vega / "airports.csv"), mapping={"title": "name"}, key="iata")
    assert (airports.state, airports.done) == ("succeeded", airports.total)
    assert library.count(OWNER, "library") == airports.total == 3_376


@pytest.mark.slow
def test_a_killed_worker_makes_no_duplicates(environment: Callable[..., None]) -> None:
    many = "title,text\n" + "".join(f"T{n},some text {n}\n" for n in range(8_000))
    params = {"source": upload(many.encode(), "t.csv")}
    job = commands.submit("import_data", params, owner=OWNER)
    with workers.running("--queues", "cpu", "--processes", "1") as program:
        workers.begun(job, 500)
        workers.kill(*program.horses)
        job = workers.ended(job)
    assert (job.state, job.done, job.result["new"]) == ("succeeded", 8_000, 8_000)
    assert library.count(OWNER) == 8_000
    assert len(queries.attempts(job)) == 2


def test_a_value_that_cannot_be_written_fails_alone() -> None:
    def work(values: list[Any]) -> list[Any]:
        if "bad" in values:
            raise ValueError("no")
        return [JobFailed("end") if value == "end" else value * 2 for value in values]

    async def several(*values: str) -> list[Any]:
        async with micro_batches.MicroBatcher(work, 10) as gathered:
            return await asyncio.gather(*map(gathered.of, values), return_exceptions=True)

    assert [str(one) for one in asyncio.run(several("a", "bad", "b"))] == ["aa", "no", "bb"]
    assert [str(one) for one in asyncio.run(several("a", "end"))] == ["aa", "end"]
