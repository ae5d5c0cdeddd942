"""Vectors that stand for the meaning of texts."""

from __future__ import annotations

from jobs.engine.llm.embeddings.builtin import Embedded
from jobs.engine.llm.embeddings.models import Embedder, default_model, embedder, has_provider, unit

__all__ = [
    "Embedded",
    "Embedder",
    "default_model",
    "embedder",
    "has_provider",
    "unit",
]
