"""The words of passages are made by us, not by Postgres' parser: with stems, and for scripts without blanks

What is there stays as it is and is found as before, until its collection is indexed again. The version before writes no words;
the trigger makes them as they were.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

TABLES = ("chunks", "attached_passages")
SIMPLE = "setweight(to_tsvector('simple', {0}headings), 'A') || to_tsvector('simple', {0}text)"


def upgrade() -> None:
    op.add_column(
        "generations", sa.Column("languages", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
    )
    op.add_column("attachments", sa.Column("language", sa.Text(), nullable=True))
    op.execute(f"""
        create function words_of_passage() returns trigger language plpgsql as $$
        begin
            if new.words is null then
                new.words := {SIMPLE.format("new.")};
            end if;
            return new;
        end $$
    """)
    for table in TABLES:
        op.execute(f"alter table {table} alter column words drop expression")
        op.execute(
            f"create trigger words_of_passage before insert on {table} for each row execute function words_of_passage()"
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"drop trigger words_of_passage on {table}")
        op.execute(f"alter table {table} drop column words")
        op.execute(
            f"alter table {table} add column words tsvector not null generated always as ({SIMPLE.format('')}) stored"
        )
    op.create_index("chunks_words", "chunks", ["words"], postgresql_using="gin")
    op.execute("drop function words_of_passage()")
    op.drop_column("attachments", "language")
    op.drop_column("generations", "languages")
