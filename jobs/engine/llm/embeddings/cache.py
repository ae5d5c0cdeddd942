"""Vectors that were made before, by model and text: the same text is not embedded, and not paid for, again."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence

from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.llm.embeddings.models import embedder, unit

_LOOK = text("select sha256, vector from embeddings where model = :model and sha256 = any(:hashes)")
_KNOWN = text("select sha256 from embeddings where model = :model and sha256 = any(:hashes)")
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


def packed(model: str, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """The vectors that are known as they are stored, to be handed on: 32-bit floats one after another."""
    with postgres.reading() as session:
        rows = session.execute(_LOOK, {"model": model, "hashes": list(set(hashes))})
        return {bytes(row.sha256): bytes(row.vector) for row in rows}


def known(model: str, hashes: Sequence[bytes]) -> set[bytes]:
    """Those whose vector is known."""
    with postgres.session() as session:
        return {bytes(found) for found in session.scalars(_KNOWN, {"model": model, "hashes": list(set(hashes))})}


def embed(model: str, texts: Sequence[str]) -> list[list[float]]:
    """A vector of length 1 for each text; only those that are not known are computed. Raises as the embedder does."""
    hashes = [digest(one) for one in texts]
    found = look(model, hashes)
    new = {sha256: one for sha256, one in zip(hashes, texts, strict=True) if sha256 not in found}
    if new:
        made = dict(zip(new, embedder(model).raw(list(new.values())).vectors, strict=True))
        keep(model, made)
        found |= made
    return [unit(found[sha256]) for sha256 in hashes]


def keep(model: str, vectors: dict[bytes, list[float]]) -> None:
    packed = [array("f", vector).tobytes() for vector in vectors.values()]
    with postgres.session() as session:
        session.execute(_KEEP, {"model": model, "hashes": list(vectors), "vectors": packed})


def _unpacked(data: bytes) -> list[float]:
    numbers = array("f")
    numbers.frombytes(data)
    return numbers.tolist()
