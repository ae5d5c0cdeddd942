"""Vectors that stand for the meaning of texts: of the provider's model where one is set, else of one that comes along.

    embedder().embed(["a red kettle", "something to boil water in"])     # two lists of floats, each of length 1

Without EMBEDDING_MODEL and a provider the texts never leave this machine: all-MiniLM-L6-v2 (384 numbers, English, Apache-2.0)
runs on onnxruntime out of installed packages. The small chat model that comes along is never asked: it has no use for it.
`batches.Vectors` is for many texts in a job; `warm.embed` is for a process that must not load what this takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from jobs.engine import settings
from jobs.engine.errors import JobFailed
from jobs.engine.llm.embeddings import builtin, provider
from jobs.engine.llm.embeddings.builtin import Embedded


@dataclass(frozen=True)
class Embedder:
    """One model. `embed` takes any number of texts that are not empty."""

    model: str

    @cached_property
    def dimension(self) -> int:
        """How many numbers a vector has. Of a provider's model it is learnt by asking for one."""
        return builtin.DIMENSION if self.built_in else len(self.embed(["dimension"])[0])

    @property
    def built_in(self) -> bool:
        return self.model == builtin.MODEL

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length 1 for each text. Raises Transient, BadInput or JobFailed as the chat model's client does."""
        return [unit(vector) for vector in self.raw(texts).vectors]

    def raw(self, texts: Sequence[str]) -> Embedded:
        """The vectors as the model gives them, with what they cost."""
        return builtin.embed(texts) if self.built_in else provider.embed(self.model, texts)


def embedder(model: str = "") -> Embedder:
    """The embedder of that name; the default one without a name. Raises JobFailed where there is none of that name."""
    wanted = model or default_model()
    if wanted != builtin.MODEL and not has_provider():
        raise JobFailed(
            f"There is no provider to ask for embeddings by “{wanted}”. Leave the model empty for {builtin.MODEL}, "
            "which comes along, or set OPENAI_BASE_URL or OPENAI_API_KEY.",
            reason="no_model",
        )
    return Embedder(wanted)


def default_model() -> str:
    current = settings.current()
    return current.embedding_model if has_provider() and current.embedding_model else builtin.MODEL


def has_provider() -> bool:
    """Whether a provider of the operator's is set; the chat model that comes along is none."""
    current = settings.current()
    return current.has_model and "model" not in current.built_in


def unit(vector: Sequence[float]) -> list[float]:
    """The vector at length 1; one of zeros stays as it is."""
    length = math.hypot(*vector)
    return [number / length for number in vector] if length else list(vector)
