"""Vectors that stand for the meaning of texts."""

from __future__ import annotations

from jobs.engine.llm.embeddings.batching import CALLS, Vectors, run_in_thread
from jobs.engine.llm.embeddings.builtin import Embedded
from jobs.engine.llm.embeddings.cache import digest, look
from jobs.engine.llm.embeddings.models import Embedder, default_model, embedder, has_provider, unit

__all__ = [
    "CALLS",
    "Embedded",
    "Embedder",
    "Vectors",
    "default_model",
    "digest",
    "embedder",
    "has_provider",
    "look",
    "run_in_thread",
    "unit",
]
