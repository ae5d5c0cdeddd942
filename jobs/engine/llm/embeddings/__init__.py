"""Vectors that stand for the meaning of texts."""

from __future__ import annotations

from jobs.engine.llm.embeddings.builtin import Embedded
from jobs.engine.llm.embeddings.models import Embedder, default_model, embedder, has_provider, unit
from jobs.engine.llm.embeddings.provider import request
from jobs.engine.llm.embeddings.similar import NearDuplicate, near_duplicates

__all__ = [
    "Embedded",
    "Embedder",
    "NearDuplicate",
    "batching",  # this and `cache` need the database: the child that computes vectors starts without them
    "cache",
    "default_model",
    "embedder",
    "has_provider",
    "near_duplicates",
    "request",
    "unit",
    "warm_child",
]
