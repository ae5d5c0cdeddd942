"""Batches that providers answer for jobs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"

MOMENT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "provider_batches",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("input_file", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("files", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("asked_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("look_at", MOMENT, nullable=True),
        sa.CheckConstraint("state in ('creating','created','ended','over')", name=op.f("provider_batches_state_known")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("provider_batches_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("provider_batches_pkey")),
    )
    op.create_index(
        "provider_batches_open",
        "provider_batches",
        ["look_at"],
        unique=False,
        postgresql_where=sa.text("state in ('creating', 'created')"),
    )


def downgrade() -> None:
    op.drop_table("provider_batches")
