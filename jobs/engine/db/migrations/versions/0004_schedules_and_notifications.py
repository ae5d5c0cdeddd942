"""Jobs that repeat, and who is told when a job has ended"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("params", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("notify", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("paused_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("next_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ran_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("schedules_pkey")),
    )
    op.create_index("schedules_owner_id", "schedules", ["owner", "id"], unique=False)
    op.create_index(
        "schedules_due", "schedules", ["next_at"], unique=False, postgresql_where=sa.text("paused_at is null")
    )
    op.add_column("jobs", sa.Column("schedule_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("jobs_schedule_id_fkey"), "jobs", "schedules", ["schedule_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(
        "jobs_schedule_id_id",
        "jobs",
        ["schedule_id", "id"],
        unique=False,
        postgresql_where=sa.text("schedule_id is not null"),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tries", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("channel in ('mail','webhook')", name=op.f("notifications_channel_known")),
        sa.CheckConstraint("state in ('open','sent','given_up','not_needed')", name=op.f("notifications_state_known")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("notifications_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("notifications_pkey")),
    )
    op.create_index("notifications_job_id", "notifications", ["job_id"], unique=False)
    op.create_index(
        "notifications_open", "notifications", ["next_at"], unique=False, postgresql_where=sa.text("state = 'open'")
    )


def downgrade() -> None:
    op.drop_table("notifications")
    op.drop_column("jobs", "schedule_id")
    op.drop_table("schedules")
