"""Hybrid search: by embedding and by keywords.

Each collection has lists of candidates: the passages with the nearest vectors, those with words of the query, and those whose
document has the query as its title. A score is the cosine similarity, plus the words in common, weighted by inverse document
frequency, plus more for literal words: codes, numbers, acronyms and quoted phrases. So a paraphrase is found by its meaning, a
part number by its characters. A whole title comes first, and then what has a quoted phrase to the letter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.models.library import Generation
from jobs.engine.errors import LegworkError
from jobs.engine.library import documents, query_terms, terms
from jobs.engine.library.query_terms import Term
from jobs.engine.llm.embeddings import warm_child

WORDS_WEIGH = 0.4  # against 1 for the vector: see “Search” in docs/accuracy.md
LETTERS_WEIGH = 0.4
TITLE_WEIGHS = 1.0
MOST_CHARACTERS = 2_000
CANDIDATES = 60
OWN_PASSAGES = 20  # of a document, used to find similar ones
FEW = 3
COMMON = 0.4  # words in a larger share of the passages are not used to find candidates
IN_TEXT = 0.5  # what a word in the text weighs for ts_rank, which divides it by ONCE; a word in the title weighs 1
ONCE = 1 / 1.64493406685
MOST_WEIGHT = 2


@dataclass(frozen=True)
class Passage:
    """A search result. `score` is about 0 to 3; `position` is the passage's place in the document, from 0."""

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
    languages: Sequence[str] = ()  # of the stems among its words


def search_scopes(stocks: list[SearchScope], q: str, limit: int) -> list[Passage]:
    """The best passages of these scopes, best first."""
    q = " ".join(q.replace("\x00", " ").split())[:MOST_CHARACTERS]
    if not q:
        return []
    vectors = {model: _vector(model, q) for model in {stock.model for stock in stocks if stock.model}}
    found: list[_Found] = []
    with postgres.session() as session:
        for stock in stocks:
            found += _of_one(session, stock, q, vectors.get(stock.model or ""), limit)
    best = sorted(found, key=lambda one: (-one.titled, -one.phrases, -_score(one)))[:limit]
    return [replace(one.passage, score=round(_score(one), 4)) for one in best]


def _score(one: _Found) -> float:
    return one.likeness + WORDS_WEIGH * one.worded + LETTERS_WEIGH * one.literal + TITLE_WEIGHS * one.titled


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
        languages=generation.languages,
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


def _of_one(session: Session, stock: SearchScope, q: str, vector: str | None, limit: int) -> list[_Found]:
    words, whole = _words(session, stock, q), query_terms.whole(q)
    if vector is None and not words and not whole:
        return []
    wanted: dict[str, Any] = stock.values | {"vector": vector, "many": max(CANDIDATES, 3 * limit), "whole": whole}
    wanted |= {f"w{place}": word.term.query for place, word in enumerate(words)}
    wanted |= {f"w{at}_{n}": form for at, word in enumerate(words) for n, form in enumerate(word.term.forms)}
    rows = session.execute(text(_sql(stock, words, vector is not None)), wanted).mappings()
    found = [_found(row, words) for row in rows]
    return [one for one in found if vector is not None or one.titled or one.worded > 0]


@dataclass(frozen=True)
class _Found:
    """A candidate: its cosine similarity, what its words weigh (1: each once), and what it has of the letters asked for."""

    passage: Passage
    likeness: float
    worded: float
    literal: float
    phrases: int  # in quotes that it has to the letter
    titled: bool  # the question is the title of its document


def _found(row: Any, words: list[_Word]) -> _Found:
    shown = ("document_id", "title", "text", "position", "headings", "collection", "name")
    passage = Passage(score=0.0, **{name: row[name] for name in shown})
    phrases = [word for word in words if word.term.phrase]
    written = terms.folded(f"{passage.title}\n{passage.headings}\n{passage.text}") if phrases else ""
    exact = [word for word in phrases if word.term.phrase in written]
    missed = [word for word in phrases if word not in exact and row["literal"]]
    worded = row["worded"] - sum(word.share for word in missed)
    literal = row["literal"] - sum(word.literal for word in missed)
    return _Found(passage, row["likeness"], max(worded, 0.0), max(literal, 0.0), len(exact), row["titled"])


@dataclass(frozen=True)
class _Word:
    """A term of the question that occurs here: its share of the rarity of all that was asked for, its share of the literal ones
    that occur, and whether it is common."""

    term: Term
    share: float
    literal: float
    common: bool


def _counts(stock: SearchScope) -> str:
    found = f"select count(*) from {stock.table} c where {stock.where} and c.words @@ q"  # noqa: S608 - names of ours
    return f"""
        select w.place, ({found}) as found
        from unnest(cast(:queries as text[])) with ordinality as w(query, place), cast(w.query as tsquery) as q
    """  # noqa: S608 - names of ours; what came from outside is bound


def _words(session: Session, stock: SearchScope, q: str) -> list[_Word]:
    """The terms of the question that occur in the collection."""
    asked = query_terms.read(session, q, stock.languages)
    if not asked:
        return []
    rows = session.execute(text(_counts(stock)), {"queries": [term.query for term in asked]})
    counts = {row.place - 1: row.found for row in rows}
    total = max(stock.total, 1)
    rarity = {place: math.log(1 + total / (count + 0.5)) for place, count in counts.items()}
    literal = sum(rare for place, rare in rarity.items() if asked[place].literal and counts[place])
    return [
        _Word(
            asked[place],
            rare / sum(rarity.values()),
            rare / literal if asked[place].literal else 0.0,
            counts[place] > COMMON * total,
        )
        for place, rare in rarity.items()
        if counts[place]
    ]


def _sql(stock: SearchScope, words: list[_Word], by_vector: bool) -> str:
    near = f"c.embedding::halfvec({stock.dimension}) <=> cast(:vector as halfvec({stock.dimension}))"
    worded = " + ".join(_weight(word, place) for place, word in enumerate(words)) or "0"
    literal = " + ".join(
        f"case when c.words @@ cast(:w{place} as tsquery) then {word.literal:.6f} else 0 end"
        for place, word in enumerate(words)
        if word.literal
    )
    telling = [place for place, word in enumerate(words) if not word.common]
    finding = telling if telling or by_vector else list(range(len(words)))
    having = " or ".join(f"c.words @@ cast(:w{place} as tsquery)" for place in finding)
    here = f"from {stock.table} c where {stock.where}"
    lists = [f"(select c.id {here} and c.words @@ cast(:whole as tsquery) order by c.id limit :many)"]
    if by_vector:
        lists.append(f"(select c.id {here} order by {near} limit :many)")
    if finding:
        lists.append(f"(select c.id {here} and ({having}) order by {worded} desc, c.id limit :many)")
    return f"""
        select {stock.shown}, c.text, c.position, c.headings, c.words @@ cast(:whole as tsquery) as titled,
            {f"coalesce(1 - ({near}), 0)" if by_vector else "0"} as likeness, ({worded})::float8 as worded,
            ({literal or "0"})::float8 as literal
        from {stock.table} c {stock.joined}
        where c.id in ({" union ".join(lists)})
    """  # noqa: S608 - names of ours; what came from outside is bound


def _weight(word: _Word, place: int) -> str:
    """The share of a term, more where it occurs more than once or in a title, but at most MOST_WEIGHT times.

    The form that counts most is taken: ts_rank of several would divide by their number.
    """
    if word.term.literal:
        return f"case when c.words @@ cast(:w{place} as tsquery) then {word.share:.6f} else 0 end"
    weights = f"'{{{IN_TEXT}, {IN_TEXT}, 0.7, 1.0}}'"
    ranks = [f"ts_rank({weights}, c.words, cast(:w{place}_{n} as tsquery))" for n, _ in enumerate(word.term.forms)]
    return f"{word.share:.6f} * least(greatest({', '.join(ranks)}) / {ONCE * IN_TEXT:.6f}, {MOST_WEIGHT})"
