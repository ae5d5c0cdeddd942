"""One change to one document, with an image of what was before, by which it can be undone.

The caller's transaction keeps the image together with the change. That of a deleted document is the whole of it.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.engine.db.models import File
from jobs.engine.db.models.library import Document
from jobs.engine.errors import BadInput, Conflict, Skip
from jobs.engine.library.documents import LONGEST_NAME

Operation = Literal["tag", "untag", "move", "rename", "replace", "set_meta", "delete"]
Values = dict[str, Any]
Image = dict[str, Any]

MOST_TAGS = 100
# operation -> the values it takes, as an example
VALUES: dict[str, dict[str, Any]] = {
    "tag": {"tags": ["seen"]},
    "untag": {"tags": ["seen"]},
    "move": {"collection": "archive"},
    "rename": {"title": "{title} (old)"},
    "replace": {"field": "title", "find": "2024", "with": "2025"},
    "set_meta": {"meta": {"year": 2024}},
    "delete": {},
    "summarise": {"words": 60, "again": False},
    "reindex": {},
    "undo": {"job": "the id of the job to undo"},
}
OPTIONAL = ("field", "with", "words", "again")
WORDS = range(5, 501)  # of a summary
TEXTS = ("title", "text")


def edit_errors(operation: str, given: Values) -> str | None:
    """What is wrong with the values of an operation, as a sentence."""
    known = VALUES[operation]
    for name, value in given.items():
        if name not in known:
            return f"{operation} takes {', '.join(known) or 'no values'}, and no “{name}”."
        if not isinstance(value, type(known[name])):
            return f"“{name}” must be like {json.dumps(known[name])}."
    if missing := [name for name in known if name not in OPTIONAL and not given.get(name)]:
        return f"{operation} needs “{missing[0]}”, as in {json.dumps(known)}."
    if given.get("field", TEXTS[0]) not in TEXTS:
        return "“field” is title or text."
    if given.get("words", WORDS[0]) not in WORDS:
        return f"“words” is from {WORDS[0]} to {WORDS[-1]}."
    if not all(isinstance(tag, str) and tag.strip() and len(tag) <= LONGEST_NAME for tag in given.get("tags", [])):
        return f"Each tag must be words of at most {LONGEST_NAME} letters."
    name = given.get("collection", "-").strip()
    return None if 0 < len(name) <= LONGEST_NAME else f"A collection's name has 1 to {LONGEST_NAME} letters."


def change(
    session: Session, owner: str, document_id: UUID, operation: Operation, values: Values, *, dry_run: bool
) -> dict[str, Any]:
    """Do it to one document. Returns before and after of what changes. Raises Skip where there is nothing to change."""
    document = _locked(session, owner, document_id)
    if operation == "delete":
        image = whole(session, document)
        if not dry_run:
            session.delete(document)
        return {"before": image, "after": None}
    wanted = _CHANGES[operation](document, values)
    before = {name: _now(document, name) for name in wanted}
    after = {name: value for name, value in wanted.items() if value != before[name]}
    if not after:
        raise Skip("It is so already.", reason="unchanged")
    if not dry_run:
        _set(document, after)
    return {"before": {name: before[name] for name in after}, "after": after}


def undo(
    session: Session, owner: str, document_id: UUID, before: Image, after: Image | None, *, dry_run: bool
) -> dict[str, Any]:
    """Bring back what was before. Raises Conflict for a document that was changed again meanwhile."""
    if after is None:
        return _bring_back(session, owner, document_id, before, dry_run)
    document = _locked(session, owner, document_id)
    now = {name: _now(document, name) for name in after}
    if now == before:
        raise Skip("It is as it was before.", reason="unchanged")
    if now != after:
        raise Conflict("It was changed again after that job; its newer state stays.", reason="changed_since")
    if not dry_run:
        _set(document, before)
    return {"before": now, "after": before}


def whole(session: Session, document: Document) -> Image:
    """All of a document but its passages, as JSON."""
    session.refresh(document, ["text", "thumbnail"])
    image = {
        column.name: getattr(document, column.name) for column in Document.__table__.columns if column.name != "owner"
    }
    thumbnail = image.pop("thumbnail")
    shown = {name: str(value) if isinstance(value, UUID | datetime) else value for name, value in image.items()}
    return shown | {"thumbnail": b64encode(thumbnail).decode() if thumbnail else None}


def _bring_back(session: Session, owner: str, document_id: UUID, image: Image, dry_run: bool) -> dict[str, Any]:
    if session.get(Document, document_id) is not None:
        raise Skip("It is there.", reason="unchanged")
    values = image | {"owner": owner, "id": document_id, "file_id": _file(session, owner, image["file_id"])}
    values["created_at"] = datetime.fromisoformat(image["created_at"])
    values["updated_at"] = func.now()
    values["thumbnail"] = b64decode(image["thumbnail"]) if image["thumbnail"] else None
    taken = image["source"] and session.scalar(
        select(Document.id).where(Document.owner == owner, Document.source == image["source"])
    )
    if taken:
        raise Conflict("A newer document has taken its place; that one stays.", reason="changed_since")
    if not dry_run:
        session.add(Document(**values))
    return {"before": None, "after": {"title": image["title"], "collection": image["collection"]}}


def _file(session: Session, owner: str, file_id: str | None) -> UUID | None:
    """The file it came from, if that is still kept."""
    found = session.get(File, UUID(file_id)) if file_id else None
    return found.id if found is not None and found.owner == owner else None


def _locked(session: Session, owner: str, document_id: UUID) -> Document:
    query = select(Document).where(Document.id == document_id, Document.owner == owner).with_for_update()
    found = session.scalar(query)
    if found is None:
        raise Skip("It is not there any more.", reason="gone")
    return found


def _now(document: Document, name: str) -> Any:
    value = getattr(document, name)
    return list(value) if isinstance(value, list) else value


def _set(document: Document, values: Values) -> None:
    for name, value in values.items():
        setattr(document, name, value)
    if "text" in values:
        document.words = len(document.text.split())
        if document.file_id is None:
            document.sha256 = hashlib.sha256(document.text.encode()).hexdigest()
    if values.keys() & {"text", "collection"}:  # what search looks at
        document.updated_at = func.now()


def _tagged(document: Document, values: Values) -> Values:
    tags = list(dict.fromkeys([*document.tags, *values["tags"]]))
    if len(tags) > MOST_TAGS:
        raise BadInput(f"It would have {len(tags):,} tags; a document has at most {MOST_TAGS}.")
    return {"tags": tags}


def _untagged(document: Document, values: Values) -> Values:
    return {"tags": [tag for tag in document.tags if tag not in values["tags"]]}


def _renamed(document: Document, values: Values) -> Values:
    filled = values["title"]
    for name in ("title", "name", "collection"):
        filled = filled.replace("{" + name + "}", getattr(document, name) or "")
    if not filled.strip():
        raise BadInput("Its title would be empty.")
    return {"title": filled.strip()[:500]}


def _replaced(document: Document, values: Values) -> Values:
    field = values.get("field", "title")
    text = str(getattr(document, field)).replace(values["find"], values.get("with", ""))
    if field == "title" and not text.strip():
        raise BadInput("Its title would be empty.")
    return {field: text}


_CHANGES: dict[str, Callable[[Document, Values], Values]] = {
    "tag": _tagged,
    "untag": _untagged,
    "move": lambda document, values: {"collection": values["collection"].strip()},
    "rename": _renamed,
    "replace": _replaced,
    "set_meta": lambda document, values: {"meta": document.meta | values["meta"]},
}
