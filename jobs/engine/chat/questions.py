"""A question put into its conversation, in one trip to Postgres and one to commit: somebody waits for an answer.

The lock and the statement behind it go out together. They are two, since a statement sees what was committed when it
began, and that has to be after the lock was had.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.orm import Session

from jobs.engine.chat import conversations
from jobs.engine.chat.answer_rows import LOST, SILENT_SECONDS
from jobs.engine.chat.conversations import PendingAnswer, checked_question, prompt_messages, refuse_busy, title_of
from jobs.engine.db import postgres
from jobs.engine.db.models import Base, Conversation, Message, new_id
from jobs.engine.db.records import as_id
from jobs.engine.errors import DatabaseUnavailable, NotFound

Row = TypeVar("Row", bound=Base)


@contextmanager
def ask(conversation_id: str | UUID, question: str, owner: str, *, model: str) -> Iterator[PendingAnswer]:
    """Add a question; the answer to it, `writing` and empty. Raises Conflict while another answer is written."""
    text = checked_question(question)
    values = {"talk": as_id(conversation_id), "owner": owner, "model": model, "question": text, "title": title_of(text)}
    ids = {"question_id": new_id(), "id": new_id()}
    with postgres.session() as session:
        row = _put(session, values | ids | {"lock": f"chat {owner}", "most": conversations.MOST_WRITING, "lost": LOST})
        if row is None:
            raise NotFound
        talk = _made(Conversation, "talk", row)
        if row["answer_id"] is None:
            refuse_busy(talk.id, row["busy"])
        said = prompt_messages(talk, row["said"] or [])
        yield PendingAnswer(_made(Message, "answer", row), talk, [*said, {"role": "user", "content": text}])


def _put(session: Session, values: dict[str, Any]) -> dict[str, Any] | None:
    """What the statement gives; None where there is no such conversation."""
    connection: Any = session.connection().connection.driver_connection
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            with connection.pipeline():
                connection.execute(_ONE_AT_A_TIME, values)
                cursor.execute(_PUT, values)
            found: dict[str, Any] | None = cursor.fetchone()
            return found
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:  # past SQLAlchemy, which has names of its own
        raise DatabaseUnavailable("The database does not answer. Nothing is lost; try again in a moment.") from error


def _made(model: type[Row], prefix: str, row: dict[str, Any]) -> Row:
    return model(**{name: row[f"{prefix}_{name}"] for name in model.__table__.columns.keys()})  # noqa: SIM118 - no dict


def _columns(model: type[Base], name: str) -> str:
    return ", ".join(f'{name}."{column}" as {name}_{column}' for column in model.__table__.columns.keys())  # noqa: SIM118


_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext(%(lock)s))"

_PUT = f"""
    with talk as (
        select * from conversations where id = %(talk)s and owner = %(owner)s for update
    ), busy as (
        select conversation_id from messages
        where owner = %(owner)s and state = 'writing' and beat_at >= now() - interval '{SILENT_SECONDS} s'
    ), free as (
        select * from talk
        where not exists (select from busy where conversation_id = talk.id) and (select count(*) from busy) < %(most)s
    ), lost as (
        update messages set state = 'broken', reason = 'writer_lost', message = %(lost)s, finished_at = now()
        from free where messages.conversation_id = free.id and messages.state = 'writing'
    ), question as (
        insert into messages (id, conversation_id, owner, role, text)
        select %(question_id)s, id, owner, 'user', %(question)s from free
    ), touched as (
        update conversations set changed_at = now(), title = coalesce(nullif(conversations.title, ''), %(title)s)
        from free where conversations.id = free.id
    ), answer as (
        insert into messages (id, conversation_id, owner, role, state, run, beat_at, model)
        select %(id)s, id, owner, 'assistant', 'writing', 1, now(), coalesce(nullif(model, ''), %(model)s) from free
        returning *
    )
    select {_columns(Conversation, "talk")}, {_columns(Message, "answer")}, array(select conversation_id from busy) as busy, (
        select json_agg(json_build_object('role', role, 'content', text) order by id) from messages
        where conversation_id = talk.id and current and text <> ''
    ) as said
    from talk left join answer on true
"""  # noqa: S608 - of names of ours alone
