"""Builds a collection's index as a new generation, which replaces the live one in one transaction.

1. `begin` makes a generation that is not live, and deletes those that earlier jobs abandoned.
2. `put` writes the passages of one document; `carry_over` copies those of a document that has not changed.
3. `go_live` marks the new generation live instead of the old one, and then drops the old one.

A build that fails or is stopped leaves a generation that is not live, which search does not use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.models.library import Generation
from jobs.engine.errors import Conflict, JobFailed
from jobs.engine.library import terms
from jobs.engine.library.chunking import Chunk

HNSW_FROM = 20_000  # passages; below that a sequential scan is as fast
HNSW_DIMENSIONS = 4_000  # pgvector's maximum for an index


def begin(owner: str, collection: str, model: str, chunk_size: int, overlap: int, job_id: UUID) -> int:
    """A new generation. Deletes those of ended jobs that never went live."""
    made = Generation(
        owner=owner, collection=collection, model=model, chunk_size=chunk_size, overlap=overlap, job_id=job_id
    )
    with postgres.session() as session:
        _drop(session, list(session.scalars(_ABANDONED, {"owner": owner, "collection": collection})))
        session.add(made)
        session.flush()
        return made.id


_ABANDONED = text("""
    select g.id from generations g left join jobs j on j.id = g.job_id
    where g.owner = :owner and g.collection = :collection and not g.live
        and (j.id is null or j.state in ('succeeded', 'partial', 'failed', 'cancelled'))
""")


def unfinished(generation_id: int) -> Generation:
    """A generation that is being built. Raises JobFailed if another job has deleted it."""
    with postgres.session() as session:
        found = session.get(Generation, generation_id)
    if found is None:
        raise JobFailed(
            "A later job has deleted this job's unfinished index. Run it again from the start.", reason="superseded"
        )
    return found


def previous(generation: Generation) -> Generation | None:
    """The live generation of the same collection, if its passages can be carried over."""
    same = select(Generation).where(
        Generation.owner == generation.owner,
        Generation.collection == generation.collection,
        Generation.live,
        Generation.model == generation.model,
        Generation.chunk_size == generation.chunk_size,
        Generation.overlap == generation.overlap,
        Generation.id != generation.id,
    )
    with postgres.session() as session:
        return session.scalar(same)


_DIGEST = text("select digest from entries where generation_id = :generation and document_id = :document")


def digest_in(generation_id: int, document_id: UUID) -> bytes | None:
    """The digest of the document when it was indexed there; None if it is not in the index."""
    with postgres.session() as session:
        found = session.scalar(_DIGEST, {"generation": generation_id, "document": document_id})
        return None if found is None else bytes(found)


def put(
    generation_id: int, document_id: UUID, digest: bytes, pieces: Sequence[Chunk], vectors: list[list[float]]
) -> None:
    """Write the passages of one document, replacing those of an earlier attempt."""
    key = {"generation": generation_id, "document": document_id}
    with postgres.session() as session:
        session.execute(_ENTER, key | {"digest": digest})
        session.execute(_CLEAR, key)
        _put(session, key, pieces, vectors)


def renew(
    generation: Generation, document_id: UUID, digest: bytes, pieces: Sequence[Chunk], vectors: list[list[float]]
) -> None:
    """Replace the passages of one document in the live generation. Raises Conflict if it is no longer live."""
    key = {"generation": generation.id, "document": document_id}
    with postgres.session() as session:
        live = select(Generation.id).where(Generation.id == generation.id, Generation.live).with_for_update()
        if session.scalar(live) is None:
            raise Conflict("Its whole collection has been indexed again since, so there is nothing to do.")
        session.execute(_ENTER, key | {"digest": digest})
        cleared: Any = session.execute(_CLEAR, key)
        _put(session, key, pieces, vectors)
        more = len(pieces) - cleared.rowcount
        session.execute(
            update(Generation).where(Generation.id == generation.id).values(chunks=Generation.chunks + more)
        )


def _put(session: Session, key: dict[str, Any], pieces: Sequence[Chunk], vectors: list[list[float]]) -> None:
    if not pieces:
        return
    language = pieces[0].language
    terms.stems(
        session, language, [word for piece in pieces for word in terms.words(piece.text)]
    )  # all in one question
    session.execute(_PUT, [_row(session, key, *one) for one in zip(pieces, vectors, strict=True)])
    if language:
        session.execute(_LANGUAGE, key | {"language": language})


def _row(session: Session, key: dict[str, Any], piece: Chunk, vector: list[float]) -> dict[str, Any]:
    words = terms.vector_of(session, piece)
    return key | {
        **{"position": piece.position, "headings": piece.headings, "text": piece.text},
        **{"words": words, "vector": str(vector)},
    }


_LANGUAGE = text("""
    update generations set languages = array_append(languages, :language)
    where id = :generation and not :language = any(languages)
""")
_ENTER = text("""
    insert into entries (generation_id, document_id, digest) values (:generation, :document, :digest)
    on conflict (generation_id, document_id) do update set digest = excluded.digest
""")
_CLEAR = text("delete from chunks where generation_id = :generation and document_id = :document")
_PUT = text("""
    insert into chunks (generation_id, document_id, position, headings, text, words, embedding)
    values (:generation, :document, :position, :headings, :text, cast(:words as tsvector), cast(:vector as halfvec))
""")


def carry_over(before: int, generation_id: int, document_id: UUID) -> int:
    """Copy a document's passages from one generation to another. Returns their number."""
    key = {"before": before, "generation": generation_id, "document": document_id}
    with postgres.session() as session:
        session.execute(_ENTER_AGAIN, key)
        session.execute(_CLEAR, key)
        copied: Any = session.execute(_COPY, key)
        session.execute(_SAME_LANGUAGES, key)
        return int(copied.rowcount)


_SAME_LANGUAGES = text("""
    update generations g set languages = array(select unnest(g.languages) union select unnest(b.languages))
    from generations b where g.id = :generation and b.id = :before and not b.languages <@ g.languages
""")
_ENTER_AGAIN = text("""
    insert into entries (generation_id, document_id, digest)
    select :generation, document_id, digest from entries where generation_id = :before and document_id = :document
    on conflict (generation_id, document_id) do update set digest = excluded.digest
""")
_COPY = text("""
    insert into chunks (generation_id, document_id, position, headings, text, words, embedding)
    select :generation, document_id, position, headings, text, words, embedding from chunks
    where generation_id = :before and document_id = :document order by position
""")


def carry_failed(generation: Generation, job_id: UUID) -> int:
    """Copy documents that failed to be indexed from the live generation, if it has the same model. Returns their number."""
    values = {"owner": generation.owner, "collection": generation.collection, "model": generation.model, "job": job_id}
    with postgres.session() as session:
        rows = session.execute(_FAILED, values).all()
    return sum(1 for row in rows if carry_over(row.generation, generation.id, row.document))


_FAILED = text("""
    select g.id as generation, i.key::uuid as document from items i
    join generations g on g.owner = :owner and g.collection = :collection and g.live and g.model = :model
    where i.job_id = :job and i.state in ('failed', 'unknown')
""")

_DIMENSION = text("select vector_dims(embedding) from chunks where generation_id = :generation limit 1")


def dimension_of(generation_id: int) -> int | None:
    """The dimension of the generation's vectors; None if it has none."""
    with postgres.session() as session:
        found: int | None = session.scalar(_DIMENSION, {"generation": generation_id})
        return found


def go_live(generation: Generation, dimension: int) -> int:
    """Make this generation the live one. Returns its number of passages."""
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = 0"))
        chunks = session.scalar(_COUNT, {"generation": generation.id}) or 0
        _help_search(session, generation.id, chunks, dimension)
        session.execute(
            update(Generation)
            .where(
                Generation.owner == generation.owner, Generation.collection == generation.collection, Generation.live
            )
            .values(live=False)
        )
        session.execute(
            update(Generation)
            .where(Generation.id == generation.id)
            .values(live=True, built_at=func.now(), chunks=chunks, dimension=dimension)
        )
    _drop_replaced(generation)
    return chunks


_COUNT = text("select count(*) from chunks where generation_id = :generation")


def discard(generation_id: int) -> None:
    """Delete a generation that is not to go live."""
    with postgres.session() as session:
        _drop(session, [generation_id])


def _help_search(session: Session, generation_id: int, chunks: int, dimension: int) -> None:
    """Create an HNSW index (Malkov and Yashunin, 2016) for a large generation."""
    if chunks >= HNSW_FROM and dimension <= HNSW_DIMENSIONS:
        session.execute(
            text(f"""
                create index if not exists chunks_near_{generation_id:d} on chunks
                using hnsw ((embedding::halfvec({dimension:d})) halfvec_cosine_ops) where generation_id = {generation_id:d}
            """)
        )


def _drop_replaced(generation: Generation) -> None:
    """Drop the generations that were live before this one, but not those that other jobs are building."""
    with postgres.session() as session:
        replaced = select(Generation.id).where(
            Generation.owner == generation.owner,
            Generation.collection == generation.collection,
            Generation.live.is_(False),
            Generation.built_at.is_not(None),
        )
        _drop(session, list(session.scalars(replaced)))


def _drop(session: Session, generations: list[int]) -> None:
    session.execute(text("set local statement_timeout = 0"))
    for generation in generations:
        session.execute(text(f"drop index if exists chunks_near_{generation:d}"))
    session.execute(delete(Generation).where(Generation.id.in_(generations)))
