"""Queues that are paused, what a worker says of itself, and an index on the jobs that ended"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

WORKER_COLUMNS = ("program", "version", "memory", "asked")


def upgrade() -> None:
    op.create_table(
        "paused_queues",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("paused_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("queue", name=op.f("paused_queues_pkey")),
    )
    op.add_column("workers", sa.Column("program", sa.Text(), server_default="", nullable=False))
    op.add_column("workers", sa.Column("version", sa.Text(), server_default="", nullable=False))
    op.add_column("workers", sa.Column("memory", sa.BigInteger(), nullable=True))
    op.add_column("workers", sa.Column("asked", sa.Text(), nullable=True))
    op.create_index(
        "jobs_ended",
        "jobs",
        ["queue", "state", "finished_at"],
        unique=False,
        postgresql_where=sa.text("finished_at is not null"),
    )


def downgrade() -> None:
    op.drop_index("jobs_ended", table_name="jobs")
    for column in WORKER_COLUMNS:
        op.drop_column("workers", column)
    op.drop_table("paused_queues")
