"""Migrations: `upgrade()` brings the database to the schema of this version; `release` and a local start run it.

The files in `versions/` are named `<revision>_<words>.py`; revisions are numbers that go up.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, text

from jobs.engine.db import postgres

_HERE = Path(__file__).parent
_LOCK = 7_023_461  # an arbitrary number: only one release may migrate at a time
_FOUND = text("select version_num from alembic_version")
_THERE = text("select to_regclass('alembic_version') is not null")


def upgrade() -> None:
    """Run what is missing. Safe to run twice, and by two programs at once."""
    from alembic import command  # at first use: a web process never migrates
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    with postgres.database_errors(), postgres.unpooled_engine().begin() as connection:
        connection.execute(text("set local statement_timeout = 0"))
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(connection: Connection) -> bool:
    """Whether the database has the tables of this version, or of a newer one, which still serves it."""
    if not connection.execute(_THERE).scalar_one():
        return False
    found = connection.execute(_FOUND).scalar_one_or_none()
    return found is not None and found >= newest()


@cache
def newest() -> str:
    """The revision of the last file in `versions/`."""
    return max(path.stem.split("_", 1)[0] for path in (_HERE / "versions").glob("[0-9]*.py"))
