"""A change to one document, with an image of its previous state to undo it by.

The caller stores the image in the same transaction. The image of a deleted document is the whole document.
"""

from __future__ import annotations

import hashlib
import json
import re
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

_NAMED = re.compile(r"\{(title|name|collection)\}")  # what a new title may name of the document

Operation = Literal["tag", "untag", "move", "rename", "replace", "set_meta", "delete"]
Values = dict[str, Any]
Image = dict[str, Any]

MOST_TAGS = 100
# operation -> its values, with examples
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
WORDS = range(5, 501)  # length of a summary
TEXTS = ("title", "text")


def edit_errors(operation: str, values: Values) -> str | None:
    """The first error in the values of an operation, as a sentence; None if there is none."""
    known = VALUES[operation]
    for name, value in values.items():
        if name not in known:
            return f"{operation} takes {', '.join(known) or 'no values'}, not “{name}”."
        if not isinstance(value, type(known[name])):
            return f"“{name}” must be like {json.dumps(known[name])}."
    if missing := [name for name in known if name not in OPTIONAL and not values.get(name)]:
        return f"{operation} needs “{missing[0]}”, as in {json.dumps(known)}."
    if values.get("field", TEXTS[0]) not in TEXTS:
        return "“field” must be title or text."
    if values.get("words", WORDS[0]) not in WORDS:
        return f"“words” must be from {WORDS[0]} to {WORDS[-1]}."
    if not all(isinstance(tag, str) and tag.strip() and len(tag) <= LONGEST_NAME for tag in values.get("tags", [])):
        return f"Each tag must have 1 to {LONGEST_NAME} characters."
    name = values.get("collection", "-").strip()
    return None if 0 < len(name) <= LONGEST_NAME else f"A collection's name has 1 to {LONGEST_NAME} characters."


def change(
    session: Session, owner: str, document_id: UUID, operation: Operation, values: Values, *, dry_run: bool
) -> dict[str, Any]:
    """Change one document. Returns the changed fields before and after. Raises Skip if there is nothing to change."""
    document = _locked(session, owner, document_id)
    if operation == "delete":
        image = whole(session, document)
        if not dry_run:
            session.delete(document)
        return {"before": image, "after": None}
    changed = _CHANGES[operation](document, values)
    before = {name: _now(document, name) for name in changed}
    after = {name: value for name, value in changed.items() if value != before[name]}
    if not after:
        raise Skip("There is nothing to change.", reason="unchanged")
    if not dry_run:
        _set(document, after)
    return {"before": {name: before[name] for name in after}, "after": after}


def undo(
    session: Session, owner: str, document_id: UUID, before: Image, after: Image | None, *, dry_run: bool
) -> dict[str, Any]:
    """Restore the previous state. Raises Conflict if the document was changed again since."""
    if after is None:
        return _bring_back(session, owner, document_id, before, dry_run)
    document = _locked(session, owner, document_id)
    now = {name: _now(document, name) for name in after}
    if now == before:
        raise Skip("It is in its previous state already.", reason="unchanged")
    if now != after:
        raise Conflict("It was changed again after that job; the later change stays.", reason="changed_since")
    if not dry_run:
        _set(document, before)
    return {"before": now, "after": before}


def whole(session: Session, document: Document) -> Image:
    """A whole document, without its passages, as JSON."""
    session.refresh(document, ["text", "thumbnail"])
    image = {
        column.name: getattr(document, column.name) for column in Document.__table__.columns if column.name != "owner"
    }
    thumbnail = image.pop("thumbnail")
    shown = {name: str(value) if isinstance(value, UUID | datetime) else value for name, value in image.items()}
    return shown | {"thumbnail": b64encode(thumbnail).decode() if thumbnail else None}


def _bring_back(session: Session, owner: str, document_id: UUID, image: Image, dry_run: bool) -> dict[str, Any]:
    if session.get(Document, document_id) is not None:
        raise Skip("It exists already.", reason="unchanged")
    values = image | {"owner": owner, "id": document_id, "file_id": _file(session, owner, image["file_id"])}
    values["created_at"] = datetime.fromisoformat(image["created_at"])
    values["updated_at"] = func.now()
    values["thumbnail"] = b64decode(image["thumbnail"]) if image["thumbnail"] else None
    taken = image["source"] and session.scalar(
        select(Document.id).where(Document.owner == owner, Document.source == image["source"])
    )
    if taken:
        raise Conflict("A newer document has replaced it and stays.", reason="changed_since")
    if not dry_run:
        session.add(Document(**values))
    return {"before": None, "after": {"title": image["title"], "collection": image["collection"]}}


def _file(session: Session, owner: str, file_id: str | None) -> UUID | None:
    """The document's file, if it still exists."""
    found = session.get(File, UUID(file_id)) if file_id else None
    return found.id if found is not None and found.owner == owner else None


def _locked(session: Session, owner: str, document_id: UUID) -> Document:
    query = select(Document).where(Document.id == document_id, Document.owner == owner).with_for_update()
    found = session.scalar(query)
    if found is None:
        raise Skip("It no longer exists.", reason="gone")
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
    if values.keys() & {"text", "title", "meta", "collection"}:  # the index depends on these
        document.updated_at = func.now()


def _tagged(document: Document, values: Values) -> Values:
    tags = list(dict.fromkeys([*document.tags, *values["tags"]]))
    if len(tags) > MOST_TAGS:
        raise BadInput(f"It would have {len(tags):,} tags; a document has at most {MOST_TAGS}.")
    return {"tags": tags}


def _untagged(document: Document, values: Values) -> Values:
    return {"tags": [tag for tag in document.tags if tag not in values["tags"]]}


def _renamed(document: Document, values: Values) -> Values:
    filled = _NAMED.sub(lambda found: getattr(document, found[1]) or "", values["title"])
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
