"""Vectors for the texts of a table: by the model that comes along on real texts, and by a scripted provider."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy
import pytest

from jobs import embed_texts
from jobs.engine.kits.vectors.similar_rows import MOST_NEAR
from jobs.engine.llm import embeddings
from jobs.engine.queue import commands, queries
from tests.engine import workers
from tests.fake_provider import FakeProvider, vector_of
from tests.kinds.job_runs import OWNER, content, done, errors, items, run, upload

TABLE = b"id,text\n1,red\n2,green\n3,\n4,red\n5,blue\n"


@pytest.fixture
def provider(environment: Callable[..., None]) -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        environment(OPENAI_BASE_URL=running.base_url, OPENAI_API_KEY="sk-test", EMBEDDING_MODEL="fake-embed")
        yield running


@pytest.mark.slow
def test_the_example_gives_a_parquet_file_of_vectors(environment: Callable[..., None], tmp_path: Path) -> None:
    job = done("embed_texts", **embed_texts.EXAMPLE)
    assert (job.state, job.result["model"], job.result["dimension"]) == ("succeeded", "all-MiniLM-L6-v2", 384)
    (file,) = queries.output_files(job)
    (tmp_path / "it.parquet").write_bytes(content(file))
    rows = duckdb.sql(f"select review, embedding, typeof(embedding) from '{tmp_path}/it.parquet'").fetchall()
    assert len(rows) == job.done == job.result["texts"] > 5 and {row[2] for row in rows} == {"FLOAT[]"}
    expected = embeddings.embedder().embed([rows[0][0]])[0]
    assert sum(a * b for a, b in zip(rows[0][1], expected, strict=True)) > 0.98


@pytest.mark.slow
def test_real_titles_near_each_other(environment: Callable[..., None], vega: Path) -> None:
    films = json.loads((vega / "movies.json").read_bytes())
    titles = [str(film["Title"]) for film in films if film["Title"]][:60]
    lines = "".join(json.dumps({"title": title}) + "\n" for title in titles).encode()
    job = done("embed_texts", source=upload(lines, "films.jsonl"), text_column="title", format="npy", batch_size=8)
    vectors_file, rows_file = queries.output_files(job)
    vectors = numpy.load(io.BytesIO(content(vectors_file)))
    assert vectors.shape == (60, 384) and vectors.dtype == numpy.float32
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert content(rows_file).decode("utf-8-sig").splitlines()[1].strip('"') == titles[0]


@pytest.mark.slow
def test_the_same_text_is_asked_for_once(provider: FakeProvider) -> None:
    job = done("embed_texts", source=upload(TABLE), text_column="text", format="jsonl", normalize=False)
    assert (job.state, job.done, job.skipped) == ("succeeded", 4, 1)
    assert sorted(provider.calls()[-1]["prompt"].split("\n")) == ["blue", "green", "red"]
    lines = [json.loads(line) for line in content(queries.output_files(job)[0]).splitlines()]
    assert [line["id"] for line in lines] == ["1", "2", "4", "5"]
    assert [line["embedding"] for line in lines] == [vector_of(word) for word in ("red", "green", "red", "blue")]
    provider.script()
    before = len(provider.calls())
    again = done("embed_texts", source=upload(TABLE), text_column="text")
    assert again.result["not_embedded_again"] == 4
    assert {call["prompt"] for call in provider.calls()[before:]} == {"dimension"}


@pytest.mark.slow
def test_an_earlier_attempt_is_gone_on_with_by_the_same_model(
    provider: FakeProvider, environment: Callable[..., None]
) -> None:
    table = "text\n" + "".join(f"word {number}\n" for number in range(30))
    stop = {"do": "status", "status": 402, "match": "word 20"}
    provider.script(do=[stop])
    job = done("embed_texts", source=upload(table.encode()), text_column="text", batch_size=4)
    assert (job.state, job.reason) == ("failed", "provider_credit")
    finished = job.done
    environment(EMBEDDING_MODEL="another")
    commands.retry(job.id, owner=OWNER, items="failed")
    job = run(job)
    assert (job.state, job.done, job.result["model"]) == ("succeeded", 30, "fake-embed")
    assert 0 < finished < 30
    paid = [word for call in provider.calls() if call["status"] == 200 for word in call["prompt"].split("\n")]
    assert len(paid) - len(set(paid)) <= 3 * 4  # but for the other batches in flight when the credit ended


@pytest.mark.slow
def test_mixed_vectors_are_refused(provider: FakeProvider) -> None:
    provider.script(dimension=8)
    job = commands.submit("embed_texts", {"source": upload(TABLE), "text_column": "text"}, owner=OWNER)
    done("embed_texts", source=upload(b"text\nred\n"), text_column="text")
    provider.script(dimension=12)
    assert run(job).reason == "mixed_dimensions"


@pytest.mark.slow
def test_a_killed_worker_is_gone_on_after(provider: FakeProvider) -> None:
    provider.script(latency=0.3)
    table = "text\n" + "".join(f"word {number}\n" for number in range(400))
    params = {"source": upload(table.encode()), "text_column": "text", "batch_size": 5}
    job = commands.submit("embed_texts", params, owner=OWNER)
    with workers.running("--queues", "io", "--processes", "1") as program:
        workers.begun(job, 40)
        workers.kill(*program.horses)
        job = workers.ended(job)
    assert (job.state, job.done, len(queries.output_files(job))) == ("succeeded", 400, 1)
    assert len(queries.attempts(job)) == 2
    paid = [word for call in provider.calls() if call["status"] == 200 for word in call["prompt"].split("\n")]
    assert len(set(paid) - {"dimension"}) == 400
    assert len(paid) - 400 <= 4 * 5 + 2  # what was in flight


def test_a_try_takes_the_first_rows_only(provider: FakeProvider) -> None:
    job = done("embed_texts", sample=2, source=upload(TABLE), text_column="text", format="jsonl")
    assert (job.done, job.total, len(content(queries.output_files(job)[0]).splitlines())) == (2, 2, 2)


def test_wrong_params_are_named(environment: Callable[..., None]) -> None:
    wrong = errors("embed_texts", source=upload(TABLE), text_column="txet", output_column="id", model="other")
    assert set(wrong) == {"text_column", "output_column", "model"}
    assert "There are: id, text." in wrong["text_column"]
    assert set(errors("embed_texts", source=upload(b"\x00\x01\x02"), text_column="text")) == {"source"}


@pytest.mark.slow
def test_numbers_and_odd_characters_are_texts_too(environment: Callable[..., None]) -> None:
    lines = b'{"t": 1e20}\n{"t": "\\ud800 half"}\n{"t": "a\\u0000b"}\n{"t": ["a", 1]}\n'
    job = done("embed_texts", source=upload(lines, "odd.jsonl"), text_column="t", format="npy")
    assert (job.state, [item.state for item in items(job)]) == ("succeeded", ["done"] * 4)
    assert numpy.load(io.BytesIO(content(queries.output_files(job)[0]))).shape == (4, 384)


def test_near_duplicates_and_fewer_numbers(environment: Callable[..., None], tmp_path: Path) -> None:
    rows = [
        "The lamp broke after a week.",
        "The lamp broke after one week.",
        "I love the honey.",
        "",
        "The lamp broke after a week!",
    ]
    table = upload("".join(json.dumps({"t": row}) + "\n" for row in rows).encode(), "t.jsonl")
    job = done("embed_texts", source=table, text_column="t", near_duplicates=0.9, output_dimensions=64, format="jsonl")
    assert (job.result["dimension"], job.result["near_duplicates"]) == (64, 2)
    pairs = job.result["pairs"]["rows"]
    assert [(row[0], row[1]) for row in pairs] == [(2, 1), (5, 1)]
    files = {file.name: content(file) for file in queries.output_files(job)}
    vectors = [json.loads(line)["embedding"] for line in files["t vectors.jsonl"].splitlines()]
    assert {len(vector) for vector in vectors} == {64}
    assert sum(number * number for number in vectors[0]) == pytest.approx(1, abs=1e-3)
    listed = files["near-duplicates.csv"].decode("utf-8-sig").splitlines()
    assert listed[0] == "row,of_row,similarity,text,of_text" and len(listed) == 3
    assert not done("embed_texts", source=table, text_column="t").result["near_duplicates"]


@pytest.mark.slow
def test_the_texts_nearest_to_a_typed_one_are_found_by_a_child(environment: Callable[..., None]) -> None:
    environment()
    job = queries.job(done("embed_texts", **embed_texts.EXAMPLE).id, OWNER)
    rows = [str(item.input["review"]) for item in queries.items(job, limit=50).rows if item.input]
    assert embed_texts.view(job, {}) == {"near": "", "rows": [], "looked": len(rows), "trouble": ""}
    asked, *others = rows[3], *rows
    found = embed_texts.view(job, {"near": f" {asked}\0"})
    assert found and found["rows"][0] == (4, asked, 1.0) and len(found["rows"]) == MOST_NEAR
    likeness = [one[2] for one in found["rows"]]
    one = embeddings.embedder().embed([asked, others[found["rows"][1][0] - 1]])
    assert likeness == sorted(likeness, reverse=True)
    assert likeness[1] == pytest.approx(sum(a * b for a, b in zip(*one, strict=True)), abs=1e-3)
