"""Lists of conversations: searched, a page at a time by key. Read through queries.py."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from jobs.engine.db import postgres
from jobs.engine.db.models import Conversation, Message
from jobs.engine.db.records import Page, escaped, owned

SEARCHED = 5_000  # conversations that one page of a search looks at


def list_conversations(
    owner: str, *, q: str | None = None, after: str | None = None, limit: int = 50
) -> Page[Conversation]:
    """An owner's conversations, the last changed first.

    q: looks in titles and messages of SEARCHED conversations a page, so that a page may be short though another follows.
    """
    query = select(Conversation).where(Conversation.owner == owner)
    with postgres.reading() as session:
        if after is not None:
            last = owned(session, Conversation, after, owner)
            place = tuple_(Conversation.changed_at, Conversation.id)
            query = query.where(place < tuple_(last.changed_at, last.id))
        newest = query.order_by(Conversation.changed_at.desc(), Conversation.id.desc())
        if q:
            return _found(session, newest, q, limit)
        rows = list(session.scalars(newest.limit(limit + 1)))
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)


def _found(session: Session, newest: Select[Any], q: str, limit: int) -> Page[Conversation]:
    looked_at = aliased(Conversation, newest.limit(SEARCHED).subquery())
    found = select(looked_at).where(_holds(looked_at, q)).order_by(looked_at.changed_at.desc(), looked_at.id.desc())
    rows = list(session.scalars(found.limit(limit + 1)))
    if len(rows) > limit:
        return Page(rows[:limit], str(rows[limit - 1].id))
    behind = session.scalars(newest.with_only_columns(Conversation.id).offset(SEARCHED - 1).limit(2)).all()
    return Page(rows, str(behind[0]) if len(behind) > 1 else None)


def _holds(talk: type[Conversation], q: str) -> Any:
    words = f"%{escaped(q)}%"
    said = select(Message.id).where(Message.conversation_id == talk.id, Message.text.ilike(words)).exists()
    return or_(talk.title.ilike(words), said)
