"""Ask: put a question into a conversation, edit it, ask again or continue an answer. All four are one statement.

Somebody waits for the first token, so this takes one trip to Postgres and one to commit, and the provider is asked while the
row is being committed. The lock and the statement go out together. They are two, because a statement sees what was committed
when it began, and that must be after the lock was taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from psycopg.rows import dict_row
from sqlalchemy.orm import Session

from jobs.engine.accounts import spending
from jobs.engine.chat import answer_threads, attachments, conversations
from jobs.engine.chat.answer_rows import LOST, SILENT_SECONDS
from jobs.engine.chat.answer_writer import PendingAnswer
from jobs.engine.chat.conversations import ConversationSettings
from jobs.engine.db import postgres
from jobs.engine.db.models import Base, Conversation, Message, new_id
from jobs.engine.db.records import as_id
from jobs.engine.errors import Conflict, FieldError, InvalidParams, NotFound, TooMany
from jobs.engine.jsonsafe import clean_text
from jobs.engine.llm import model_list

MOST_WRITING = 20  # answers at a time for one person
LONGEST_QUESTION = 100_000  # characters
TITLE_CHARACTERS = 60

Row = TypeVar("Row", bound=Base)


def begin_conversation(
    settings: ConversationSettings, question: str, files: Sequence[str], *, owner: str
) -> Conversation:
    """A conversation with its first question and the files to answer it from. Nothing is made if one of these is refused."""
    _checked(question)
    found = attachments.read_all(files, owner)
    made = conversations.start_conversation(settings, owner)
    attachments.attach(made.id, found, owner)
    ask(made.id, question, owner=owner)
    return made


def ask(conversation_id: str | UUID, question: str, *, owner: str) -> Message:
    """Add a question and begin to answer it. Raises InvalidParams, NotFound, Conflict, TooMany."""
    return _answered(pending(ASK, conversation_id, owner, _checked(question)))


def edit_question(message_id: str | UUID, question: str, *, owner: str) -> Message:
    """Ask a question in other words. It and all after it stay in the database, but leave the conversation."""
    return _answered(pending(EDIT, message_id, owner, _checked(question)))


def ask_again(answer_id: str | UUID, *, owner: str) -> Message:
    """Begin another answer to the same question. This answer and all after it leave the conversation."""
    return _answered(pending(AGAIN, answer_id, owner))


def continue_answer(answer_id: str | UUID, *, owner: str) -> Message:
    """Continue the last answer where it ended."""
    return _answered(pending(CONTINUE, answer_id, owner))


def _answered(asking: AbstractContextManager[PendingAnswer]) -> Message:
    """Ask the provider while the row is being committed. Nothing of its answer is shown before."""
    writer = None
    try:
        with asking as asked:
            writer = answer_threads.ask(asked)
    except BaseException:
        if writer is not None:
            writer.drop()
        raise
    answer_threads.start(writer)
    return asked.answer


@dataclass(frozen=True)
class _Action:
    """A way to ask for an answer. It starts from a message of this role, or from the conversation as a whole."""

    role: str | None = None
    cut: bool = False  # that message and all after it leave the conversation
    same: bool = False  # that message, the last answer, goes on
    refusal: str = ""


ASK = _Action()
EDIT = _Action("user", cut=True, refusal="Only a question that is part of the conversation can be edited.")
AGAIN = _Action(
    "assistant", cut=True, refusal="Only an answer that is part of the conversation can be asked for again."
)
CONTINUE = _Action("assistant", same=True, refusal="Only the last answer of a conversation can go on.")


@contextmanager
def pending(action: _Action, id: str | UUID, owner: str, question: str = "") -> Iterator[PendingAnswer]:
    """An answer, `writing`, that is committed at the end. id: of the conversation to ask in, or of the message to start from."""
    spending.check_allowance(owner)
    with postgres.session() as session:
        row = _put(session, _values(action, as_id(id), owner, question))
        if row is None:
            raise NotFound
        conversation = _made(Conversation, "conversation", row)
        if row["answer_id"] is None:
            _refuse_busy(conversation.id, row["busy"])
            raise Conflict(action.refusal)
        said = [*(row["said"] or []), *([{"role": "user", "content": question}] if question else [])]
        system = [{"role": "system", "content": conversation.system}] if conversation.system else []
        yield PendingAnswer(_made(Message, "answer", row), conversation, [*system, *said])


def _checked(question: str) -> str:
    """The question as it is stored. Raises InvalidParams for an empty one, or one that is too long."""
    cleaned = clean_text(question).strip()
    if not cleaned:
        raise InvalidParams([FieldError("message", "Write a message first.")])
    if len(cleaned) > LONGEST_QUESTION:
        raise InvalidParams([FieldError("message", f"A message may have at most {LONGEST_QUESTION:,} characters.")])
    return cleaned


def _refuse_busy(conversation_id: UUID, busy: Collection[UUID]) -> None:
    """busy: the conversations of its owner in which an answer is being written."""
    if conversation_id in busy:
        raise Conflict("An answer is being written in this conversation. Stop it or wait for its end, then send again.")
    if len(busy) >= MOST_WRITING:
        raise TooMany(f"{MOST_WRITING} answers are being written for you already. Wait for one to end, or stop one.")


def _title(question: str) -> str:
    """The title of a conversation that begins with this question."""
    line = " ".join(question.split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"


def _values(action: _Action, id: UUID, owner: str, question: str) -> dict[str, Any]:
    message = id if action.role else None
    return {
        "conversation": None if message else id,
        "message": message,
        "role": action.role,
        "cut": message if action.cut else None,
        "same": message if action.same else None,
        "question_id": new_id(),
        "answer_id": new_id(),
        "question": question,
        "title": _title(question),
        "model": model_list.default_model(),
        "owner": owner,
        "lock": f"chat {owner}",
        "most": MOST_WRITING,
        "lost": LOST,
    }


def _put(session: Session, values: dict[str, Any]) -> dict[str, Any] | None:
    """The row of the statement; None where there is no such conversation or message."""
    connection: Any = session.connection().connection.driver_connection
    with connection.cursor(row_factory=dict_row) as cursor:
        with connection.pipeline():
            connection.execute(_ONE_AT_A_TIME, values)
            cursor.execute(_PUT, values)
        found: dict[str, Any] | None = cursor.fetchone()
        return found


def _made(model: type[Row], prefix: str, row: dict[str, Any]) -> Row:
    return model(**{name: row[f"{prefix}_{name}"] for name in model.__table__.columns.keys()})  # noqa: SIM118 - no dict


def _columns(model: type[Base], name: str) -> str:
    return ", ".join(f'{name}."{column}" as {name}_{column}' for column in model.__table__.columns.keys())  # noqa: SIM118


_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext(%(lock)s))"

# `changed` is one update, because a row can be updated once in a statement: it takes messages out of the conversation, and
# marks an answer whose writer is gone.
_PUT = f"""
    with start as (
        select conversation_id, role = %(role)s and current and (
            %(same)s::uuid is null
            or not exists (select from messages where conversation_id = one.conversation_id and current and id > one.id)
        ) as fits
        from messages one where id = %(message)s::uuid and owner = %(owner)s
    ), conversation as (
        select * from conversations
        where id = coalesce(%(conversation)s::uuid, (select conversation_id from start)) and owner = %(owner)s for update
    ), busy as (
        select conversation_id from messages
        where owner = %(owner)s and state = 'writing' and beat_at >= now() - interval '{SILENT_SECONDS} s'
    ), free as (
        select * from conversation
        where coalesce((select fits from start), true) and (select count(*) from busy) < %(most)s
        and not exists (select from busy where conversation_id = conversation.id)
    ), changed as (
        update messages set
            current = messages.current and (%(cut)s::uuid is null or messages.id < %(cut)s::uuid),
            state = case when state = 'writing' then 'broken' else state end,
            reason = case when state = 'writing' then 'writer_lost' else reason end,
            message = case when state = 'writing' then %(lost)s else message end,
            finished_at = case when state = 'writing' then now() else finished_at end
        from free where messages.conversation_id = free.id and messages.id is distinct from %(same)s::uuid
        and (messages.state = 'writing' or messages.id >= %(cut)s::uuid)
    ), question as (
        insert into messages (id, conversation_id, owner, role, text)
        select %(question_id)s, id, owner, 'user', %(question)s::text from free where %(question)s::text <> ''
    ), touched as (
        update conversations set changed_at = now(), title = coalesce(nullif(conversations.title, ''), %(title)s)
        from free where conversations.id = free.id
    ), new as (
        insert into messages (id, conversation_id, owner, role, state, run, beat_at, model)
        select %(answer_id)s, id, owner, 'assistant', 'writing', 1, now(), coalesce(nullif(model, ''), %(model)s)
        from free where %(same)s::uuid is null
        returning *
    ), resumed as (
        update messages set state = 'writing', run = messages.run + 1, beat_at = now(), stop_asked_at = null,
            reason = null, message = null, finished_at = null
        from free where messages.id = %(same)s::uuid
        returning messages.*
    ), answer as (
        select * from new union all select * from resumed
    )
    select {_columns(Conversation, "conversation")}, {_columns(Message, "answer")},
        array(select conversation_id from busy) as busy,
        (
            select json_agg(json_build_object('role', role, 'content', text) order by id) from messages
            where conversation_id = conversation.id and current and text <> ''
            and (%(message)s::uuid is null or id < %(message)s::uuid)
        ) as said
    from conversation left join answer on true
"""  # noqa: S608 - of names of ours alone
