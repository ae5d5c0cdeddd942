"""Alembic's own entry: runs the migrations on the connection that `upgrade()` hands over."""

from __future__ import annotations

from alembic import context

from jobs.engine.db.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
