"""Conversations and their messages"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("system", sa.Text(), server_default="", nullable=False),
        sa.Column("temperature", sa.Double(), nullable=True),
        sa.Column("library", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("collection", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("conversations_pkey")),
    )
    op.create_index("conversations_owner_changed_at", "conversations", ["owner", "changed_at", "id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("current", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("state", sa.Text(), server_default="done", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("run", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("beat_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("stop_asked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("sources", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=True),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("first_token_seconds", sa.Double(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("role in ('user','assistant')", name=op.f("messages_role_known")),
        sa.CheckConstraint(
            "state in ('writing','done','stopped','broken','failed')", name=op.f("messages_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("messages_conversation_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("messages_pkey")),
    )
    op.create_index("messages_conversation_id_id", "messages", ["conversation_id", "id"], unique=False)
    op.create_index(
        "messages_writing", "messages", ["owner"], unique=False, postgresql_where=sa.text("state = 'writing'")
    )


def downgrade() -> None:
    op.drop_index("messages_writing", table_name="messages", postgresql_where=sa.text("state = 'writing'"))
    op.drop_index("messages_conversation_id_id", table_name="messages")
    op.drop_table("messages")
    op.drop_index("conversations_owner_changed_at", table_name="conversations")
    op.drop_table("conversations")
