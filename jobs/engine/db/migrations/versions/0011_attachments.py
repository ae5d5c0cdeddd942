"""Files that a conversation answers from"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("attached", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "attachments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("passages", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("dimension", sa.BigInteger(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("attachments_conversation_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("attachments_file_id_fkey"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("attachments_pkey")),
    )
    op.create_index("attachments_conversation_id_id", "attachments", ["conversation_id", "id"], unique=False)
    op.create_index("attachments_file_id", "attachments", ["file_id"], unique=False)
    op.execute("""
        create table attached_passages (
            id bigint generated always as identity primary key,
            attachment_id uuid not null references attachments (id) on delete cascade,
            position bigint not null,
            headings text not null default '',
            text text not null,
            words tsvector not null generated always as
                (setweight(to_tsvector('simple', headings), 'A') || to_tsvector('simple', text)) stored,
            embedding halfvec,
            unique (attachment_id, position)
        )
    """)


def downgrade() -> None:
    op.drop_table("attached_passages")
    op.drop_table("attachments")
    op.drop_column("conversations", "attached")
