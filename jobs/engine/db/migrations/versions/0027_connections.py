"""Providers of models that admins add on a page, and answers that are kept for other jobs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_table(
        "connections",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("sealed", postgresql.JSON(), nullable=True),
        sa.Column("models", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("prices", postgresql.JSONB(), nullable=False),
        sa.Column("can", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("fallback", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("connections_pkey")),
    )
    op.create_table(
        "kept_answers",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", postgresql.JSON(), nullable=False),
        sa.Column("cost", sa.Numeric(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("owner", "digest", name=op.f("kept_answers_pkey")),
    )
    op.create_index("kept_answers_created_at", "kept_answers", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("kept_answers")
    op.drop_table("connections")
