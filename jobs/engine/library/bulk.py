"""Writes documents in batches from the rows of a table.

A row is matched to its document by a key, or by an id derived from the job and the row's number, so that a row that is
processed twice, after a kill, makes one document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.errors import BadInput, JobFailed, Skip
from jobs.engine.jsonsafe import dumps
from jobs.engine.library.documents import one_at_a_time

SHOWN = 200  # characters of a value in a diff
TITLE_FROM_TEXT = 80

Mode = Literal["insert", "upsert"]


@dataclass(frozen=True)
class Row:
    """A row to be written as a document. place: from 1. values: the fields that the table has; others are not changed.

    wrong: an error found earlier, because of which it is not written.
    """

    place: int
    key: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    error: BadInput | None = None


@dataclass(frozen=True)
class Target:
    """Where and how the rows are written. abort: the first row that cannot be written ends the job."""

    owner: str
    collection: str
    job_id: UUID
    mode: Mode
    dry_run: bool = False
    abort: bool = False


def put(target: Target, rows: Sequence[Row]) -> list[dict[str, Any] | Exception]:
    """Write the rows in one transaction. For each row: status (new, updated, unchanged), document and changes, or the error.

    A dry run writes nothing.
    """
    with postgres.session() as session:
        if not target.dry_run:
            one_at_a_time(session, f"import\n{target.owner}\n{target.collection}")
        batch = _Batch(target, _known(session, target, rows))
        outcomes = _outcomes(target, batch, rows)
        if batch.changed and not target.dry_run:
            session.execute(_PUT, {"rows": dumps(list(batch.changed.values())), "owner": target.owner})
    return outcomes


def document_id(job_id: UUID, place: int) -> UUID:
    """A deterministic UUIDv7 with the job's timestamp, in the order of the rows."""
    own = int.from_bytes(hashlib.sha256(job_id.bytes).digest()[:5], "big")
    place = min(place, (1 << 34) - 1)
    return UUID(
        int=(job_id.int >> 80 << 80) | 0x7 << 76 | place >> 22 << 64 | 0x2 << 62 | (place & 0x3FFFFF) << 40 | own
    )


def short(value: Any) -> Any:
    """The value, or the beginning of a long one, for display."""
    shown = value if isinstance(value, str) else dumps(value)
    return value if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"


def _outcomes(target: Target, batch: _Batch, rows: Sequence[Row]) -> list[dict[str, Any] | Exception]:
    outcomes: list[dict[str, Any] | Exception] = []
    for row in rows:
        came = row.error or batch.outcome(row)
        if target.abort and isinstance(came, BadInput):
            end = f"Row {row.place:,}: {came.message} The job ends here, as its params say. Correct the table and run it again."
            return outcomes + [JobFailed(end, reason=came.reason)] * (len(rows) - len(outcomes))
        outcomes.append(came)
    return outcomes


class _Batch:
    """The documents as they are after the rows so far."""

    def __init__(self, target: Target, known: Iterable[dict[str, Any]]):
        self.changed: dict[str, dict[str, Any]] = {}
        self._target = target
        self._by_id = {one["id"]: one for one in known}
        self._by_source = {one["source"]: one for one in self._by_id.values() if one["source"]}

    def outcome(self, row: Row) -> dict[str, Any] | Exception:
        own = str(document_id(self._target.job_id, row.place))
        before = self._found(row, own)
        if before is None:
            return self._new(row, own)
        if self._target.mode == "insert" and before["id"] != own:
            return Skip(f"Skipped, “{row.key}” is in “{before['collection']}” already.", reason="exists")
        after = before | row.values | {"meta": before["meta"] | row.values.get("meta", {})}
        changes = {
            name: [short(before[name]), short(after[name])] for name in row.values if before[name] != after[name]
        }
        if changes:
            self._keep(after)
        if before["id"] == own:
            return _shown(after, "new")
        return _shown(after, "updated" if changes else "unchanged", changes)

    def _found(self, row: Row, own: str) -> dict[str, Any] | None:
        if row.key is None:
            return self._by_id.get(own)
        found = self._by_source.get(_source(self._target, row.key)) or self._by_id.get(row.key.lower())
        return found if found is not None else self._by_id.get(own)

    def _new(self, row: Row, own: str) -> dict[str, Any] | Exception:
        title, body = row.values.get("title", ""), row.values.get("text", "")
        first = next((line.strip() for line in body.split("\n") if line.strip()), "")
        if not title and not first:
            return BadInput("This row has neither a title nor a text.")
        source = None if row.key is None else _source(self._target, row.key)
        made = _EMPTY | row.values | {"id": own, "collection": self._target.collection, "source": source}
        made["title"] = title or first[:TITLE_FROM_TEXT]
        self._keep(made)
        return _shown(made, "new")

    def _keep(self, document: dict[str, Any]) -> None:
        body = document["text"]
        counted = {
            "words": len(body.split()),
            "bytes": len(body.encode()),
            "sha256": hashlib.sha256(body.encode()).hexdigest(),
        }
        self.changed[document["id"]] = self._by_id[document["id"]] = document | counted
        if document["source"]:
            self._by_source[document["source"]] = document | counted


_EMPTY: dict[str, Any] = {
    "title": "", "text": "", "tags": [], "meta": {}, "name": "", "language": None, "media_type": "text/plain"
}  # fmt: skip


def _source(target: Target, key: str) -> str:
    return f"key:{target.collection}\n{key}"


def _known(session: Session, target: Target, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The existing documents that may match these rows, with the columns that can change."""
    ids = [document_id(target.job_id, row.place) for row in rows]
    for row in rows:
        with suppress(ValueError):
            ids.append(UUID(row.key)) if row.key and len(row.key) == 36 else None
    wanted = {"owner": target.owner, "collection": target.collection, "ids": ids}
    sources = [_source(target, row.key) for row in rows if row.key is not None]
    found = session.execute(_KNOWN, wanted | {"sources": sources}).mappings()
    return [dict(one) | {"id": str(one["id"])} for one in found]


_COLUMNS = "owner, id, collection, source, title, text, tags, meta, name, language, media_type"
# One lookup for each row: without table statistics the planner would otherwise read all of the owner's documents.
_KNOWN = text(f"""
    select d.* from unnest(cast(:sources as text[])) as wanted(source) cross join lateral (
        select {_COLUMNS} from documents where owner = :owner and source = wanted.source limit 1) as d
    union all
    select d.* from unnest(cast(:ids as uuid[])) as wanted(id) cross join lateral (
        select {_COLUMNS} from documents where id = wanted.id limit 1) as d
    where d.owner = :owner and d.collection = :collection and (d.source is null or not d.source = any(:sources))
""")  # noqa: S608 - names of ours

_PUT = text(f"""
    insert into documents ({_COLUMNS}, words, bytes, sha256)
    select :owner, r.id, r.collection, r.source, r.title, r.text, r.tags, r.meta, r.name, r.language, r.media_type,
        r.words, r.bytes, r.sha256
    from json_to_recordset(cast(:rows as json)) as r(id uuid, collection text, source text, title text, text text,
        tags text[], meta jsonb, name text, language text, media_type text, words bigint, bytes bigint, sha256 text)
    on conflict (id) do update set title = excluded.title, text = excluded.text, tags = excluded.tags,
        meta = excluded.meta, name = excluded.name, language = excluded.language, media_type = excluded.media_type,
        words = excluded.words, updated_at = now(),
        bytes = case when documents.file_id is null then excluded.bytes else documents.bytes end,
        sha256 = case when documents.file_id is null then excluded.sha256 else documents.sha256 end
    where documents.owner = excluded.owner
""")  # noqa: S608 - names of ours


def _shown(document: dict[str, Any], status: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"status": status, "document": document["id"]} | ({"changes": changes} if changes else {})
