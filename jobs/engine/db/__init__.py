"""Postgres and Redis: connections, tables, migrations and shared rate limits."""

from __future__ import annotations

from jobs.engine.db.postgres import reading, session
from jobs.engine.db.records import COUNT_CAP, Page, as_id, escaped
from jobs.engine.db.redis import broker, connect

__all__ = [
    "COUNT_CAP",
    "Page",
    "as_id",
    "broker",
    "connect",
    "escaped",
    "reading",
    "session",
]
