"""Bring the database to the tables of this version: `upgrade()`, run by `release` and at a local start."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from jobs.engine import database

_LOCK = 7_023_461  # any number: two releases at once must not both migrate


def upgrade() -> None:
    """Run what is missing. Safe to run twice, and by two programs at once."""
    with database.translated(), database.unpooled().begin() as connection:
        connection.execute(text("set local statement_timeout = 0"))
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(connection: Connection) -> bool:
    """Whether the database has the tables of this version, or of a newer one that can still serve it."""
    found = MigrationContext.configure(connection).get_current_revision()
    return found == newest() or (found is not None and found not in _known())


@cache
def newest() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


@cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
