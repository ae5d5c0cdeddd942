"""Verdicts of items, and what people changed in them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("items", sa.Column("verdict", sa.Text(), nullable=True))
    op.create_index(
        "items_judged",
        "items",
        ["job_id", "verdict", "position", "key"],
        unique=False,
        postgresql_where=sa.text("verdict is not null"),
    )
    op.create_table(
        "threshold_changes",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("thresholds", postgresql.JSON(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("before", postgresql.JSON(), nullable=False),
        sa.Column("after", postgresql.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("threshold_changes_job_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("threshold_changes_pkey")),
    )
    op.create_index("threshold_changes_job_id_id", "threshold_changes", ["job_id", "id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("decisions_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("decisions_pkey")),
    )
    op.create_index("decisions_job_id_id", "decisions", ["job_id", "id"], unique=False)
    op.create_index(
        "decisions_in_force",
        "decisions",
        ["job_id", "key"],
        unique=True,
        postgresql_where=sa.text("undone_at is null"),
    )


def downgrade() -> None:
    for table in ("decisions", "threshold_changes"):
        op.drop_table(table)
    op.drop_index("items_judged", table_name="items")
    op.drop_column("items", "verdict")
