"""The migrations make the tables that the models describe."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from jobs.engine.db import migrations, postgres
from jobs.engine.db.models import Base
from jobs.engine.db.models.library import Document  # its room has tables of its own


def test_the_tables_are_as_the_models_say(environment: object) -> None:
    assert Document.__table__.metadata is Base.metadata
    with postgres.engine().connect() as connection:
        options = {"include_name": lambda name, kind, _: kind != "table" or name in Base.metadata.tables}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_twice_changes_nothing(environment: object) -> None:
    migrations.upgrade()
    with postgres.engine().connect() as connection:
        assert migrations.is_current(connection)


def test_an_older_database_is_not_current_and_a_newer_one_is(environment: object) -> None:
    with postgres.engine().begin() as connection:
        connection.execute(text("update alembic_version set version_num = '0000'"))
        assert not migrations.is_current(connection)
        connection.execute(text("update alembic_version set version_num = '9999'"))
        assert migrations.is_current(connection)


def test_an_empty_database_is_not_current(environment: object) -> None:
    with postgres.engine().begin() as connection:
        connection.execute(text("drop table alembic_version"))
        assert not migrations.is_current(connection)
