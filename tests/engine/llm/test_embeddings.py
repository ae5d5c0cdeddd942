"""Vectors of the model that comes along and of a provider's, and those that were made before."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from jobs.engine.errors import BadInput, JobFailed, Transient
from jobs.engine.llm import embeddings
from jobs.engine.llm.embeddings import batching, builtin, cache, warm_child
from tests.fake_provider import FakeProvider, vector_of


@pytest.fixture
def provider(environment: Callable[..., None]) -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        environment(OPENAI_BASE_URL=running.base_url, OPENAI_API_KEY="sk-test", EMBEDDING_MODEL="fake-embed")
        yield running


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def of(*texts: str, size: int = 8) -> list[batching.Vector | BaseException]:
    """What the batches give for these texts, asked for at the same time."""

    async def ask() -> list[batching.Vector | BaseException]:
        async with batching.Vectors("", size) as vectors:
            return await asyncio.gather(*map(vectors.of, texts), return_exceptions=True)

    return asyncio.run(ask())


def test_what_means_the_same_lies_near(environment: Callable[..., None]) -> None:
    model = embeddings.embedder()
    kettle, boil, tax = model.embed(["A kettle", "Something to boil water for tea", "The income tax form is late"])
    assert (model.model, model.dimension, len(kettle)) == ("all-MiniLM-L6-v2", 384, 384)
    assert likeness(kettle, kettle) == pytest.approx(1)
    assert likeness(kettle, boil) > 0.4 > likeness(kettle, tax)


def test_a_text_has_the_same_vector_alone_and_in_company(environment: Callable[..., None]) -> None:
    texts = ["short", "a much longer text " * 30, "übermäßig", "x"]
    together = embeddings.embedder().embed(texts)
    alone = [embeddings.embedder().embed([text])[0] for text in texts]
    assert all(likeness(one, other) > 0.98 for one, other in zip(together, alone, strict=True))  # 8 bits, by the batch


def test_a_text_that_is_too_long_is_marked(environment: Callable[..., None]) -> None:
    came = builtin.embed(["word " * 1000, "word"])
    assert (came.tokens, came.cut) == ([256, 3], [True, False])


def test_texts_of_like_length_go_to_the_model_together(
    environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def embed(texts: list[str]) -> builtin.Embedded:
        asked.append(texts)
        return builtin.Embedded([[0.0] * builtin.DIMENSION] * len(texts), [1] * len(texts), [False] * len(texts))

    monkeypatch.setattr(builtin, "embed", embed)
    texts = [f"{number} like length" + " long" * 40 * (number % 2) for number in range(200)]
    assert len(of(*texts, size=10)) == 200
    mixed = [batch for batch in asked if min(map(len, batch)) < 100 < max(map(len, batch))]
    assert sorted(text for batch in asked for text in batch) == sorted(texts)
    assert len(mixed) <= batching.BUILT_IN_FLYING + 1  # the first ones leave before the others have come
    assert max(map(len, asked)) <= 10


def test_a_file_that_was_changed_is_refused() -> None:
    with pytest.raises(JobFailed, match="not the file that was tried"):
        builtin._checked(builtin.WEIGHTS[0], "__init__.py", builtin.WEIGHTS[2])
    with pytest.raises(JobFailed, match="package no-such-package is missing"):
        builtin._checked("no_such_package", "model.onnx", "")


def test_the_provider_is_asked_where_one_is_set(provider: FakeProvider) -> None:
    model = embeddings.embedder()
    assert (model.model, model.dimension) == ("fake-embed", 8)
    assert model.embed(["a", "b"]) == [embeddings.unit(vector_of("a")), embeddings.unit(vector_of("b"))]
    assert provider.calls()[-1]["key"] == "sk-test"


def test_the_small_chat_model_is_never_asked(provider: FakeProvider, environment: Callable[..., None]) -> None:
    environment(LEGWORK_BUILT_IN="model")
    assert embeddings.embedder().model == "all-MiniLM-L6-v2"
    assert len(embeddings.embedder().embed(["a"])[0]) == 384
    assert provider.calls() == []
    with pytest.raises(JobFailed, match="no provider"):
        embeddings.embedder("fake-embed")


def test_a_busy_provider_is_waited_for(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 429, "retry_after": 0.2}, {"do": "status", "status": 500}])
    assert len(embeddings.embedder().embed(["a"])) == 1
    assert [call["status"] for call in provider.calls()] == [429, 500, 200]


def test_texts_go_in_batches_and_the_same_one_once(provider: FakeProvider) -> None:
    found = of("a", "b", "a", "c", size=4)
    assert [one.numbers for one in found] == [pytest.approx(vector_of(text), rel=1e-6) for text in "abac"]
    assert [call["prompt"] for call in provider.calls()] == ["a\nb\nc"]
    again = of("c", "a", "d")
    assert [one.known for one in again] == [True, True, False]
    assert [call["prompt"] for call in provider.calls()] == ["a\nb\nc", "d"]
    assert cache.look("fake-embed", [cache.digest("d")])[cache.digest("d")] == pytest.approx(vector_of("d"), rel=1e-6)
    assert cache.look("other", [cache.digest("d")]) == {}


def test_one_text_that_is_refused_fails_alone(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 400, "message": "Too long.", "match": "bad", "calls": 9}])
    good, bad, other = of("good", "bad", "other")
    assert isinstance(bad, BadInput) and "Too long." in bad.message
    assert (good.numbers, other.numbers) == (vector_of("good"), vector_of("other"))


def test_vectors_of_another_length_end_the_job(provider: FakeProvider) -> None:
    of("a")
    provider.script(dimension=12)
    assert {type(one) for one in of("a", "b")} == {JobFailed}


@pytest.mark.slow
def test_a_light_process_has_a_child_embed(environment: Callable[..., None]) -> None:
    code = (
        "import sys; from jobs.engine.llm.embeddings import warm_child as warm; a = warm.embed(['kettle']); "
        "warm._home()._child._process.kill(); warm._home()._child._process.wait(); b = warm.embed(['kettle']); "
        "print(len(a[0]), a == b, sorted({'numpy', 'onnxruntime', 'tokenizers', 'aiohttp'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.split(maxsplit=2) == ["384", "True", "[]\n"]


def test_the_child_asks_the_provider_too(provider: FakeProvider) -> None:
    assert warm_child.embed(["a"]) == [embeddings.unit(vector_of("a"))]
    provider.script(do=[{"do": "status", "status": 401, "message": "Wrong key."}])
    with pytest.raises(Transient, match="refused the key"):
        warm_child.embed(["b"])
