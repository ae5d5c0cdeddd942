"""Encrypts the secret params of jobs and schedules with the site's present key: those in clear, and those under an old key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.db.models import Job, Schedule
from jobs.engine.kinds import catalogue, sealing
from jobs.engine.kinds.sealing import Sealed, SecretUnreadable
from jobs.engine.kinds.secrets import secret_names
from jobs.engine.queue import ledger
from jobs.engine.secret_key import made_secret_key, secret_key


@dataclass
class Rotation:
    """How many jobs and schedules were encrypted, deleted of their secrets since they had ended, and could not be read."""

    encrypted: int = 0
    emptied: int = 0
    unreadable: int = 0


def rotate_secrets(old_key: str = "") -> Rotation:
    """Encrypt with the present key what is in clear, or under `old_key`. Ended jobs lose their secrets."""
    done = Rotation()
    for table in (Job, Schedule):
        for row_id in _ids(table):
            with postgres.session() as session:
                row = session.get(table, row_id, with_for_update=True)
                if isinstance(row, Job | Schedule):
                    _rotate(session, row, old_key, done)
    return done


def count_stale_secrets() -> tuple[int, int]:
    """How many jobs and schedules have a secret in clear, and how many one that the present key does not open."""
    clear = unreadable = 0
    key = secret_key()
    with postgres.session() as session:
        for table in (Job, Schedule):
            query = select(table.kind, table.params, table.sealed).where(_has_secrets(table))
            for kind, params, sealed in session.execute(query.execution_options(yield_per=500)):
                clear += bool(sealing.split(catalogue.kind(kind), params)[1])
                unreadable += bool(sealed and not sealing.is_under(sealed, key))
    return clear, unreadable


def _ids(table: type[Job] | type[Schedule]) -> Iterator[UUID]:
    with postgres.session() as session:
        yield from list(session.scalars(select(table.id).where(_has_secrets(table))))


def _has_secrets(table: type[Job] | type[Schedule]) -> ColumnElement[bool]:
    """The rows of kinds with secrets, and those with something encrypted."""
    kinds = [kind.name for kind in catalogue.kinds(hidden=True) if kind.available and secret_names(kind.Params)]
    return table.kind.in_(kinds) | table.sealed.is_not(None)


def _rotate(session: Session, row: Job | Schedule, old_key: str, done: Rotation) -> None:
    key = made_secret_key(settings.current())
    try:
        clear = _opened(row.sealed, (key, old_key)) if row.sealed else {}
    except SecretUnreadable:
        done.unreadable += 1
        return
    shown, in_clear = sealing.split(catalogue.kind(row.kind), row.params)
    ended = isinstance(row, Job) and row.ended
    if not in_clear and (not row.sealed or (not ended and sealing.is_under(row.sealed, key))):
        return
    sealed = None if ended else sealing.seal(clear | in_clear, key)
    done.emptied, done.encrypted = done.emptied + ended, done.encrypted + (not ended)
    _store(session, row, shown, sealed)


def _opened(sealed: Sealed, keys: tuple[str, str]) -> dict[str, str]:
    return sealing.unseal(sealed, next((key for key in keys if key and sealing.is_under(sealed, key)), ""))


def _store(session: Session, row: Job | Schedule, shown: dict[str, Any], sealed: Sealed | None) -> None:
    if isinstance(row, Job):
        ledger.reseal(session.connection(), row.id, shown, sealed)
    else:
        row.params, row.sealed = shown, sealed
