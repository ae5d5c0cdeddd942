"""Parts of jobs that several workers share, and the workers that help"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"

MOMENT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "helpers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("leader", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("how", sa.Text(), nullable=True),
        sa.Column("finished", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("helpers_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("helpers_pkey")),
    )
    op.create_index("helpers_job_id", "helpers", ["job_id", "id"], unique=False)
    op.create_index(
        "helpers_alive", "helpers", ["lease_until"], unique=False, postgresql_where=sa.text("ended_at is null")
    )
    op.create_table(
        "parts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("leader", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("first_key", sa.Text(), nullable=False),
        sa.Column("last_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="free", nullable=False),
        sa.Column("helper", sa.BigInteger(), nullable=True),
        sa.Column("returned", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("state in ('free','taken','done')", name=op.f("parts_state_known")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("parts_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "leader", "first", name=op.f("parts_pkey")),
    )
    op.create_index(
        "parts_free", "parts", ["job_id", "leader", "first"], unique=False, postgresql_where=sa.text("state = 'free'")
    )
    op.create_index("parts_taken", "parts", ["helper"], unique=False, postgresql_where=sa.text("state = 'taken'"))


def downgrade() -> None:
    op.drop_table("parts")
    op.drop_table("helpers")
