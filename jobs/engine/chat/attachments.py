"""Files that a conversation answers from.

A file is read while its person waits, by no worker: in a confined child, and only up to a size; what is larger belongs into
the library. Its passages can be found by their words at once. Their vectors are made after that, by a thread of whichever
process is asked, and a question waits a moment for them; where none can be made, words alone decide.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from jobs.engine.chat import conversations
from jobs.engine.db import postgres
from jobs.engine.db.models import Attachment, Conversation
from jobs.engine.db.records import owned
from jobs.engine.errors import BadInput, LegworkError, TooMany
from jobs.engine.files import inputs
from jobs.engine.formats import extraction
from jobs.engine.library import Passage, SearchScope, chunking, search_scopes
from jobs.engine.library import terms as library_terms
from jobs.engine.llm import embeddings
from jobs.engine.llm.embeddings import warm_child

MOST_FILES = 10  # of a conversation
MOST_BYTES = 20_000_000  # of a file
MOST_ATTACHED_TEXT = 1_000_000  # characters of it
MOST_EMBEDDED = 300  # passages of a file; more would keep this machine busy for too long
READ_SECONDS = 30
PASSAGE_WORDS, OVERLAP = 160, 30  # as index_documents cuts
EMBEDDED_AT_ONCE = 8
VECTOR_SECONDS = 5.0  # that a question waits for vectors which are being made

log = logging.getLogger(__name__)

_embedding: dict[UUID, threading.Event] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class ReadFile:
    """A file that was read, and is kept nowhere yet."""

    file_id: UUID | None  # None: a sample
    name: str
    media_type: str
    pieces: list[chunking.Chunk]


def read(ref: str, owner: str) -> ReadFile:
    """Read an upload or an output of this owner, or a sample. Raises BadInput with a sentence where that cannot be done here."""
    source = inputs.find_input(ref, owner)
    if source.job is not None:
        raise BadInput("The rows of a job cannot be attached. Download them, and attach the file.")
    if source.bytes > MOST_BYTES:
        raise _too_large(source.name, f"{MOST_BYTES // 1_000_000} MB")
    with source.path() as path:
        found = _extracted(path, source.name)
    if not found.text.strip():
        raise BadInput(f"There is no text in {_short(source.name)}. {found.note or _ELSEWHERE}")
    if len(found.text) > MOST_ATTACHED_TEXT:
        raise _too_large(source.name, f"{MOST_ATTACHED_TEXT:,} characters of text")
    language = library_terms.language_of(found.text)
    title = Path(source.name).stem
    cut = chunking.chunks(found.text, PASSAGE_WORDS, OVERLAP)
    pieces = [replace(piece, title=title, language=language) for piece in cut]
    return ReadFile(UUID(source.ref) if source.blob else None, source.name, found.media_type, pieces)


def read_all(refs: Sequence[str], owner: str) -> list[ReadFile]:
    if len(refs) > MOST_FILES:
        raise TooMany(f"A conversation can answer from {MOST_FILES} files at most.")
    return [read(ref, owner) for ref in refs]


def attach_files(conversation_id: str | UUID, refs: Sequence[str], owner: str) -> list[Attachment]:
    """Let a conversation answer from uploads too, each by its id. Raises NotFound, BadInput, TooMany; then none is taken."""
    conversations.conversation(conversation_id, owner)
    return attach(conversation_id, read_all(refs, owner), owner)


def attach(conversation_id: str | UUID, files: Sequence[ReadFile], owner: str) -> list[Attachment]:
    """Let a conversation answer from these files too. Raises NotFound, TooMany; then none of them is kept."""
    with postgres.session() as session:
        talk = owned(session, Conversation, conversation_id, owner, for_update=True)
        if talk.attached + len(files) > MOST_FILES:
            raise TooMany(f"A conversation can answer from {MOST_FILES} files. Remove one, or index them as a library.")
        made = [
            Attachment(
                conversation_id=talk.id,
                owner=owner,
                file_id=file.file_id,
                name=file.name,
                media_type=file.media_type,
                passages=len(file.pieces),
                language=file.pieces[0].language if file.pieces else None,
            )
            for file in files
        ]
        session.add_all(made)
        talk.attached += len(made)
        session.flush()
        for one, file in zip(made, files, strict=True):
            session.refresh(one)
            session.execute(_PUT, _rows(session, one.id, file.pieces))
    for one in made:
        _begin_embedding(one)
    return made


def _rows(session: Session, attachment_id: UUID, pieces: Sequence[chunking.Chunk]) -> list[dict[str, Any]]:
    return [
        {
            **{"attachment": attachment_id, "position": piece.position, "headings": piece.headings, "text": piece.text},
            "words": library_terms.vector_of(session, piece),
        }
        for piece in pieces
    ]


_PUT = text("""
    insert into attached_passages (attachment_id, position, headings, text, words)
    values (:attachment, :position, :headings, :text, cast(:words as tsvector))
""")


def list_attachments(conversation_id: UUID) -> list[Attachment]:
    query = select(Attachment).where(Attachment.conversation_id == conversation_id).order_by(Attachment.id)
    with postgres.session() as session:
        return list(session.scalars(query))


def attachment(attachment_id: str | UUID, owner: str) -> Attachment:
    with postgres.session() as session:
        return owned(session, Attachment, attachment_id, owner)


def detach_file(attachment_id: str | UUID, owner: str) -> Attachment:
    """Answer from this file no more. The upload itself stays as long as uploads do."""
    with postgres.session() as session:
        found = owned(session, Attachment, attachment_id, owner)
        talk = owned(session, Conversation, found.conversation_id, owner, for_update=True)
        gone: Any = session.execute(delete(Attachment).where(Attachment.id == found.id))
        talk.attached -= gone.rowcount
    return found


def attachment_passages(one: Attachment) -> list[Passage]:
    """All of a file, in its order."""
    with postgres.session() as session:
        rows = session.execute(_ALL, {"attachment": one.id}).mappings()
        return [Passage(one.id, one.name, score=0.0, name=one.name, **row) for row in rows]


_ALL = text(
    "select position, headings, text from attached_passages where attachment_id = :attachment order by position"
)


def search(conversation_id: UUID, q: str, limit: int) -> list[Passage]:
    """The passages of a conversation's files that answer best; what is left of `limit` is filled from where they begin."""
    files = list_attachments(conversation_id)
    for one in files:
        _begin_embedding(one).wait(VECTOR_SECONDS)
    files = list_attachments(conversation_id)
    found = search_scopes([_stock(one) for one in files], q, limit)
    known = {(passage.document_id, passage.position) for passage in found}
    first = (passage for passage in _first(files, limit) if (passage.document_id, passage.position) not in known)
    return [*found, *itertools.islice(first, limit - len(found))]


def _first(files: list[Attachment], count: int) -> list[Passage]:
    """Where the files begin: the first passage of each, then the second of each."""
    names = {one.id: one.name for one in files}
    with postgres.session() as session:
        rows = session.execute(_FIRST, {"ids": list(names), "count": count}).all()
    return [Passage(row[0], names[row[0]], row[3], 0.0, row[1], row[2], name=names[row[0]]) for row in rows]


_FIRST = text("""
    select attachment_id, position, headings, text from attached_passages
    where attachment_id = any(:ids) and position < :count order by position, attachment_id limit :count
""")


def _stock(one: Attachment) -> SearchScope:
    return SearchScope(
        table="attached_passages",
        where=f"c.attachment_id = '{one.id}'",
        shown="a.id as document_id, a.name as title, a.name, '' as collection",
        joined="join attachments a on a.id = c.attachment_id and a.owner = :owner",
        values={"owner": one.owner},
        total=one.passages,
        model=one.model,
        dimension=one.dimension,
        languages=[one.language] if one.language else [],
    )


# Vectors.


def _begin_embedding(one: Attachment) -> threading.Event:
    """Set once this process has done for a file's vectors what it can. Whoever is asked next goes on where another ended."""
    with _lock:
        done = _embedding.get(one.id)
        if done is not None:
            return done
        done = threading.Event()
        if one.model is not None or one.passages > MOST_EMBEDDED:
            done.set()
            return done
        _embedding[one.id] = done
    threading.Thread(target=_embed, args=(one.id, done), name=f"vectors of {one.id}", daemon=True).start()
    return done


def _embed(attachment_id: UUID, done: threading.Event) -> None:
    try:
        model, vectors = embeddings.default_model(), dict[int, str]()
        with postgres.session() as session:
            rows = session.execute(_ALL, {"attachment": attachment_id}).all()
        if not rows:
            return  # the file has been removed meanwhile
        for first in range(0, len(rows), EMBEDDED_AT_ONCE):
            some = rows[first : first + EMBEDDED_AT_ONCE]
            texts = [chunking.Chunk(*row).embedded for row in some]
            made = warm_child.embed(texts, model)
            dimension = len(made[0])
            vectors |= {row.position: str(vector) for row, vector in zip(some, made, strict=True)}
        _keep(attachment_id, model, dimension, vectors)
    except LegworkError as error:
        log.info("a file stays without vectors for now: %s", error)
    finally:
        with _lock:
            _embedding.pop(attachment_id, None)
        done.set()


def _keep(attachment_id: UUID, model: str, dimension: int, vectors: dict[int, str]) -> None:
    """All of them or none: those of two models cannot be compared."""
    rows = [{"attachment": attachment_id, "position": position, "vector": vectors[position]} for position in vectors]
    with postgres.session() as session:
        whole = update(Attachment).where(Attachment.id == attachment_id)
        session.execute(
            whole.values(model=model, dimension=dimension)
        )  # first, as `detach_file` does: else both wait forever
        session.execute(_SET, rows)


_SET = text("""
    update attached_passages set embedding = cast(:vector as halfvec)
    where attachment_id = :attachment and position = :position
""")


# Reading.


def _extracted(path: Path, name: str) -> extraction.Extracted:
    try:
        return extraction.extract(path, name, seconds=READ_SECONDS)
    except BadInput as error:
        if error.reason == "nested_archive":
            raise BadInput(f"{_short(name)} is an archive. {_ELSEWHERE}") from None
        if error.reason == "too_costly":
            raise _too_large(name, f"{READ_SECONDS} s of reading") from None
        raise BadInput(f"{_short(name)}: {error.message}", reason=error.reason) from None


def _too_large(name: str, most: str) -> BadInput:
    return BadInput(
        f"{_short(name)} is more than can be read while you wait ({most}). {_ELSEWHERE}", reason="too_large"
    )


_ELSEWHERE = (
    "Read it into the library with “Process files” and “Index documents”, then choose the library in the settings."
)


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
