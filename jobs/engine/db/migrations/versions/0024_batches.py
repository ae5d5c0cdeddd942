"""Batches: jobs asked for in OpenAI's wire format"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"

MOMENT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("input_file", sa.Text(), nullable=False),
        sa.Column("completion_window", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("expired_at", MOMENT, nullable=True),
        sa.Column("deleted_files", sa.Text(), server_default="", nullable=False),
        sa.Column("sizes", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("batches_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("batches_pkey")),
    )
    op.create_index("batches_owner", "batches", ["owner", "job_id"], unique=False)
    op.create_index(
        "batches_expiring", "batches", ["expires_at"], unique=False, postgresql_where=sa.text("expired_at is null")
    )


def downgrade() -> None:
    op.drop_table("batches")
