"""Uploads that come in pieces, and blobs kept in the database

The version before neither reads nor writes these tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="uploads_pkey"),
    )
    op.create_index("uploads_owner", "uploads", ["owner"])
    op.create_index("uploads_expires_at", "uploads", ["expires_at"])
    op.create_table(
        "blob_pieces",
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("blob", "place", name="blob_pieces_pkey"),
    )
    op.execute(
        "alter table blob_pieces alter column content set storage external"
    )  # files are often compressed already


def downgrade() -> None:
    op.drop_table("blob_pieces")
    op.drop_table("uploads")
