"""The library: documents, their passages with vectors, and vectors that were made before"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("create extension if not exists vector")
    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("media_type", sa.Text(), server_default="text/plain", nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("pages", sa.BigInteger(), nullable=True),
        sa.Column("words", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("thumbnail", sa.LargeBinary(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("meta", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("documents_file_id_fkey"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("documents_pkey")),
    )
    op.create_index("documents_owner_collection_id", "documents", ["owner", "collection", "id"], unique=False)
    op.create_index("documents_owner_id", "documents", ["owner", "id"], unique=False)
    op.create_index("documents_file_id", "documents", ["file_id"], unique=False)
    op.create_index("documents_sha256", "documents", ["owner", "collection", "sha256"], unique=False)
    op.create_index(
        "documents_source",
        "documents",
        ["owner", "source"],
        unique=True,
        postgresql_where=sa.text("source is not null"),
    )
    op.create_table(
        "generations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("dimension", sa.BigInteger(), nullable=True),
        sa.Column("chunk_size", sa.BigInteger(), nullable=False),
        sa.Column("overlap", sa.BigInteger(), nullable=False),
        sa.Column("chunks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("live", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("built_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("generations_pkey")),
    )
    op.create_index("generations_owner_collection", "generations", ["owner", "collection"], unique=False)
    op.create_index(
        "generations_live", "generations", ["owner", "collection"], unique=True, postgresql_where=sa.text("live")
    )
    op.execute("""
        create table entries (
            generation_id bigint not null references generations (id) on delete cascade,
            document_id uuid not null references documents (id) on delete cascade,
            digest bytea not null,
            primary key (generation_id, document_id)
        )
    """)
    op.create_index("entries_document_id", "entries", ["document_id"])
    op.execute("""
        create table chunks (
            id bigint generated always as identity primary key,
            generation_id bigint not null references generations (id) on delete cascade,
            document_id uuid not null references documents (id) on delete cascade,
            position bigint not null,
            headings text not null default '',
            text text not null,
            words tsvector not null generated always as
                (setweight(to_tsvector('simple', headings), 'A') || to_tsvector('simple', text)) stored,
            embedding halfvec not null
        )
    """)
    op.create_index("chunks_generation_id_document_id", "chunks", ["generation_id", "document_id", "position"])
    op.create_index("chunks_document_id", "chunks", ["document_id"])
    op.create_index("chunks_words", "chunks", ["words"], postgresql_using="gin")
    op.create_table(
        "embeddings",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("model", "sha256", name=op.f("embeddings_pkey")),
    )


def downgrade() -> None:
    for table in ("embeddings", "chunks", "entries", "generations", "documents"):
        op.drop_table(table)
