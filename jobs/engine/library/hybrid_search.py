"""Hybrid search: by embedding and by keywords.

Each collection has two lists of candidates: the passages with the nearest vectors, and those with words of the query. A score
is the cosine similarity, plus a little for each word in common, weighted by inverse document frequency, plus more for literal
words: codes, numbers, acronyms and quoted phrases. So a paraphrase is found by its meaning, a part number by its characters.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.models.library import Generation
from jobs.engine.errors import LegworkError
from jobs.engine.library import documents
from jobs.engine.llm.embeddings import warm_child

WORDS_WEIGH = 0.1  # against 1 for the vector; with more, a paraphrase ranks below a text that merely shares words
LETTERS_WEIGH = 0.4
MOST_WORDS = 16  # of a query
MOST_CHARACTERS = 2_000
CANDIDATES = 40
OWN_PASSAGES = 20  # of a document, used to find similar ones
FEW = 3
COMMON = 0.4  # words in a larger share of the passages are not used to find candidates

_ASKED = re.compile(r'"([^"]+)"|(\S+)')
_LITERAL = re.compile(r"\w*\d.*|.*\w[/_.:@+-]\w.*|[A-Z]{2,}")
_AROUND = "\"'.,;:!?()[]{}\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"


@dataclass(frozen=True)
class Passage:
    """A search result. `score` is about 0 to 1.5; `position` is the passage's place in the document, from 0."""

    document_id: UUID
    title: str
    text: str
    score: float
    position: int
    headings: str
    collection: str = ""
    name: str = ""


def search(owner: str, q: str, collection: str | None = None, limit: int = 8) -> list[Passage]:
    """The best passages, best first, of all collections that have an index, or of one.

    If the embedding model does not answer, the search is by keywords only.
    """
    return search_scopes([_stock(generation) for generation in documents.live(owner, collection)], q, limit)


@dataclass(frozen=True)
class SearchScope:
    """Passages to search: a table, aliased `c`, with `words` and `embedding`. Its SQL fragments never come from a request."""

    table: str
    where: str
    shown: str  # SQL for the columns document_id, title, name, collection
    joined: str
    values: dict[str, Any]  # bind parameters of `joined`
    total: int
    model: str | None  # of the vectors; None: keywords only
    dimension: int | None


def search_scopes(stocks: list[SearchScope], q: str, limit: int) -> list[Passage]:
    """The best passages of these scopes, best first."""
    q = " ".join(q.replace("\x00", " ").split())[:MOST_CHARACTERS]
    if not q:
        return []
    vectors = {model: _vector(model, q) for model in {stock.model for stock in stocks if stock.model}}
    found: list[Passage] = []
    with postgres.session() as session:
        for stock in stocks:
            found += _of_one(session, stock, q, vectors.get(stock.model or ""), limit)
    return sorted(found, key=lambda passage: -passage.score)[:limit]


def _stock(generation: Generation) -> SearchScope:
    """The scope of one generation. Its id is a literal in the SQL, so that its own HNSW index can be used."""
    return SearchScope(
        table="chunks",
        where=f"c.generation_id = {generation.id:d}",
        shown="d.id as document_id, d.title, d.name, d.collection",
        joined="join documents d on d.id = c.document_id and d.owner = :owner and d.collection = :collection",
        values={"owner": generation.owner, "collection": generation.collection},
        total=generation.chunks,
        model=generation.model,
        dimension=generation.dimension,
    )


def passages(owner: str, document_id: str | UUID) -> list[Passage]:
    """The passages of a document in its collection's live index."""
    document = documents.document(document_id, owner)
    with postgres.session() as session:
        rows = session.execute(_PASSAGES, {"owner": owner, "id": document.id}).mappings()
        return [Passage(document.id, document.title, score=0.0, **row) for row in rows]


@dataclass(frozen=True)
class SimilarDocument:
    """A similar document. `score` is the cosine similarity, 0 to 1; `text` is its most similar passage."""

    document_id: UUID
    title: str
    collection: str
    text: str
    position: int
    score: float


def similar_documents(owner: str, document_id: str | UUID, limit: int = 8) -> list[SimilarDocument]:
    """The most similar documents, by the vectors of the collection's index; empty if the document is not indexed.

    The score of a pair is the mean of the best FEW similarities between a passage of one and its nearest in the other.
    """
    document = documents.document(document_id, owner)
    generation = next(iter(documents.live(owner, document.collection)), None)
    if generation is None or not generation.dimension:
        return []
    near = f"a.embedding::halfvec({generation.dimension}) <=> c.embedding::halfvec({generation.dimension})"
    wanted = {"id": document.id, "owner": owner, "collection": document.collection, "limit": limit}
    with postgres.session() as session:
        rows = session.execute(text(_ALIKE.format(generation=int(generation.id), near=near)), wanted).mappings()
        return [SimilarDocument(**row) for row in rows]


# The generation's id is a literal, so that its own HNSW index can be used.
_ALIKE = f"""
    with own as (
        select id, embedding from chunks where generation_id = {{generation}} and document_id = :id
        order by position limit {OWN_PASSAGES}
    ), found as (
        select c.id as mine, a.document_id, a.text, a.position, 1 - ({{near}}) as likeness
        from own c cross join lateral (
            select document_id, text, position, embedding from chunks a
            where a.generation_id = {{generation}} and a.document_id <> :id order by {{near}} limit {CANDIDATES}
        ) a
    ), best as (
        select distinct on (document_id, mine) document_id, text, position, likeness
        from found order by document_id, mine, likeness desc
    ), ranked as (
        select *, row_number() over (partition by document_id order by likeness desc) as place from best
    )
    select d.id as document_id, d.title, d.collection, max(r.text) filter (where r.place = 1) as text,
        max(r.position) filter (where r.place = 1) as position, round(avg(r.likeness)::numeric, 4)::float8 as score
    from ranked r join documents d on d.id = r.document_id and d.owner = :owner and d.collection = :collection
    where r.place <= {FEW} group by d.id order by score desc, d.id limit :limit
"""  # noqa: S608 - numbers of ours; what came from outside is bound


_PASSAGES = text("""
    select c.text, c.position, c.headings from chunks c join generations g on g.id = c.generation_id
    where c.document_id = :id and g.owner = :owner and g.live order by c.position limit 1000
""")


def _vector(model: str, q: str) -> str | None:
    """The query's vector as Postgres text; None if the model does not answer."""
    try:
        return str(warm_child.embed([q], model)[0])
    except LegworkError:
        return None


def _of_one(session: Session, stock: SearchScope, q: str, vector: str | None, limit: int) -> list[Passage]:
    words = _words(session, stock, q)
    if vector is None and not words:
        return []
    wanted: dict[str, Any] = stock.values | {"vector": vector, "many": max(CANDIDATES, 3 * limit)}
    wanted |= {f"w{place}": word.query for place, word in enumerate(words)}
    rows = session.execute(text(_sql(stock, words, vector is not None)), wanted).mappings()
    return [Passage(score=round(row["likeness"] + row["worded"], 4), **_shown(row)) for row in rows]


def _shown(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in ("document_id", "title", "text", "position", "headings", "collection", "name")}


@dataclass(frozen=True)
class _Word:
    """A word of the query: its tsquery, what it adds to a score, and whether it is common."""

    query: str
    adds: float
    common: bool


def _counts(stock: SearchScope) -> str:
    found = f"select count(*) from {stock.table} c where {stock.where} and c.words @@ q"  # noqa: S608 - names of ours
    return f"""
        select w.place, q::text as query, ({found}) as found
        from unnest(cast(:words as text[])) with ordinality as w(word, place), phraseto_tsquery('simple', w.word) as q
        where numnode(q) > 0
    """  # noqa: S608 - names of ours; what came from outside is bound


def _words(session: Session, stock: SearchScope, q: str) -> list[_Word]:
    """The words of the query that occur in the collection."""
    terms = _terms(q)
    rows = session.execute(text(_counts(stock)), {"words": list(terms)}).all()
    literal = [list(terms.values())[row.place - 1] for row in rows]
    total = max(stock.total, 1)
    rarity = [math.log(1 + total / (row.found + 0.5)) for row in rows]
    to_the_letter = sum(rare for rare, exact in zip(rarity, literal, strict=True) if exact)
    return [
        _Word(
            row.query,
            WORDS_WEIGH * rare / sum(rarity) + (LETTERS_WEIGH * rare / to_the_letter if exact else 0),
            row.found > COMMON * total,
        )
        for row, rare, exact in zip(rows, rarity, literal, strict=True)
        if row.found
    ]


def _terms(q: str) -> dict[str, bool]:
    """The words and quoted phrases of a query, and whether each is literal."""
    terms: dict[str, bool] = {}
    for phrase, word in _ASKED.findall(q):
        bare = word.strip(_AROUND)
        if phrase or bare:
            terms.setdefault((phrase or bare).lower(), bool(phrase or _LITERAL.fullmatch(bare)))
    return dict(list(terms.items())[:MOST_WORDS])


def _sql(stock: SearchScope, words: list[_Word], by_vector: bool) -> str:
    near = f"c.embedding::halfvec({stock.dimension}) <=> cast(:vector as halfvec({stock.dimension}))"
    worded = " + ".join(
        f"case when c.words @@ cast(:w{place} as tsquery) then {word.adds:.6f} else 0 end"
        for place, word in enumerate(words)
    )
    telling = [place for place, word in enumerate(words) if not word.common]
    finding = telling if telling or by_vector else list(range(len(words)))
    having = " or ".join(f"c.words @@ cast(:w{place} as tsquery)" for place in finding)
    here = f"from {stock.table} c where {stock.where}"
    lists = []
    if by_vector:
        lists.append(f"(select c.id {here} order by {near} limit :many)")
    if finding:
        lists.append(f"(select c.id {here} and ({having}) order by {worded} desc, c.id limit :many)")
    return f"""
        select {stock.shown}, c.text, c.position, c.headings,
            {f"coalesce(1 - ({near}), 0)" if by_vector else "0"} as likeness, ({worded or "0"})::float8 as worded
        from {stock.table} c {stock.joined}
        where c.id in ({" union ".join(lists)})
    """  # noqa: S608 - names of ours; what came from outside is bound
