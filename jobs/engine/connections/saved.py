"""The table of connections. A key is in its row encrypted, and nowhere else; no page shows it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from jobs.engine import accounts, llm, settings
from jobs.engine.db import postgres
from jobs.engine.db.models import SavedConnection
from jobs.engine.errors import DatabaseUnavailable, FieldError, InvalidParams, NotFound
from jobs.engine.kinds import sealing
from jobs.engine.llm import Connection
from jobs.engine.sandbox import http
from jobs.engine.secret_key import made_secret_key, secret_key

MOST = 50


def read() -> list[Connection]:
    """The connections of the table; none while the database is away. One whose key cannot be read has none."""
    try:
        return [_connection(row) for row in all_saved()]
    except DatabaseUnavailable:
        return []


def all_saved() -> list[SavedConnection]:
    with postgres.reading() as session:
        return list(session.scalars(select(SavedConnection).order_by(SavedConnection.name).limit(MOST)))


def save(given: Mapping[str, Any], *, by: str, address: str | None = None) -> None:
    """Add a connection, or change the one of that name; without a key it keeps the one it has. Raises InvalidParams."""
    values = dict(given)
    key = str(values.pop("key", "") or "")
    try:
        made = llm.made(**values)
        http.check(made.address)
    except (TypeError, ValueError) as error:
        raise InvalidParams([FieldError("", str(error))]) from None
    sealed = sealing.seal({"key": key}, made_secret_key(settings.current())) if key else None
    with postgres.session() as session:
        row = session.get(SavedConnection, made.name)
        if row is None:
            row = SavedConnection(name=made.name)
            session.add(row)
        row.kind, row.address, row.fallback = made.kind, made.address, made.fallback
        row.models, row.can, row.prices = list(made.models), list(made.can), dict(made.prices)
        row.requests_per_minute, row.changed_at = made.requests_per_minute, func.now()
        row.sealed = sealed or row.sealed
        accounts.record(session, by, "connection_save", made.name, address=address, at=made.address)
    llm.forget()


def remove(name: str, *, by: str, address: str | None = None) -> None:
    """Raises NotFound."""
    with postgres.session() as session:
        row = session.get(SavedConnection, name)
        if row is None:
            raise NotFound
        session.delete(row)
        accounts.record(session, by, "connection_remove", name, address=address)
    llm.forget()


def _connection(row: SavedConnection) -> Connection:
    try:
        key = sealing.unseal(row.sealed, secret_key())["key"] if row.sealed else ""
    except sealing.SecretUnreadable:
        key = ""  # the provider refuses it, and doctor says why
    return Connection(
        row.name, row.kind, row.address, key, tuple(row.models), row.requests_per_minute, row.prices, tuple(row.can),
        row.fallback, checked=True,
    )  # fmt: skip
