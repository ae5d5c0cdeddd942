"""Vectors that were made before, by model and text: the same text is not embedded, and not paid for, again."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence

from sqlalchemy import text

from jobs.engine.db import postgres

_LOOK = text("select sha256, vector from embeddings where model = :model and sha256 = any(:hashes)")
_KEEP = text("""
    insert into embeddings (model, sha256, vector) select :model, * from unnest(cast(:hashes as bytea[]), cast(:vectors as bytea[]))
    on conflict do nothing
""")


def digest(text_: str) -> bytes:
    return hashlib.sha256(text_.encode("utf-8", "surrogatepass")).digest()


def look(model: str, hashes: Sequence[bytes]) -> dict[bytes, list[float]]:
    """The vectors that are known, by the digest of their text."""
    with postgres.session() as session:
        rows = session.execute(_LOOK, {"model": model, "hashes": list(set(hashes))})
        return {bytes(row.sha256): _unpacked(row.vector) for row in rows}


def keep(model: str, vectors: dict[bytes, list[float]]) -> None:
    packed = [array("f", vector).tobytes() for vector in vectors.values()]
    with postgres.session() as session:
        session.execute(_KEEP, {"model": model, "hashes": list(vectors), "vectors": packed})


def _unpacked(data: bytes) -> list[float]:
    numbers = array("f")
    numbers.frombytes(data)
    return numbers.tolist()
