"""What the best tools for one job make of the same data. It runs in .venv-accuracy, which has nothing of Legwork.

.venv-accuracy/bin/python tests/accuracy/peers.py MEASURE < given.json
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from importlib import import_module
from typing import Any


def profanity(texts: list[str]) -> dict[str, list[float]]:
    """The scores of alt-profanity-check and better-profanity."""
    checker: Any = import_module("better_profanity").profanity
    predict: Any = import_module("profanity_check").predict_prob
    return {
        "alt-profanity-check": [float(score) for score in predict(texts)],
        "better-profanity": [float(checker.contains_profanity(text)) for text in texts],
    }


def bm25(given: dict[str, list[str]]) -> list[list[int]]:
    """By question: the places of the ten best texts."""
    ranking: Any = import_module("rank_bm25").BM25Okapi([text.lower().split() for text in given["texts"]])
    scores = [ranking.get_scores(question.lower().split()) for question in given["questions"]]
    return [[int(place) for place in (-one).argsort(kind="stable")[:10]] for one in scores]


def implicit(given: dict[str, Any]) -> list[list[int]]:
    """By user: the ten items that ALS recommends. given: rows, columns, weights, of so many users and items."""
    sparse: Any = import_module("scipy.sparse")
    shape = (given["users"], given["items"])
    matrix = sparse.csr_matrix((given["weights"], (given["rows"], given["columns"])), shape, dtype="float32")
    als: Any = import_module("implicit.als")
    model = als.AlternatingLeastSquares(factors=64, regularization=10.0, random_state=1)
    model.fit(matrix, show_progress=False)
    found, _ = model.recommend(range(given["users"]), matrix, N=10, filter_already_liked_items=True)
    return [[int(item) for item in row] for row in found]


def markitdown(paths: list[str]) -> list[str | None]:
    """The text of each file; None where it is not read."""
    converter: Any = import_module("markitdown").MarkItDown(enable_plugins=False)
    return [_text(converter, path) for path in paths]


def _text(converter: Any, path: str) -> str | None:
    try:
        return str(converter.convert(path).text_content)
    except Exception:  # whatever a library raises on an odd file
        return None


def pandas(paths: list[str]) -> list[int | None]:
    """The number of rows of each table, read with the defaults; None where it is not read."""
    return [_rows(import_module("pandas"), path) for path in paths]


def _rows(module: Any, path: str) -> int | None:
    readers = {"csv": module.read_csv, "tsv": module.read_table, "json": module.read_json}
    try:
        return len(readers.get(path.lower().rpartition(".")[2], module.read_excel)(path))
    except Exception:  # whatever a library raises on an odd file
        return None


if __name__ == "__main__":
    measures = {one.__name__: one for one in (profanity, bm25, implicit, markitdown, pandas)}
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        made: Any = measures[sys.argv[1]](json.load(sys.stdin))
    print(json.dumps(made))
