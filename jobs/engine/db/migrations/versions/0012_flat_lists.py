"""Indexes with which what the clock and the lists look for costs the same beside a million rows"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_index(
        "jobs_undelivered",
        "jobs",
        ["run_at", "id"],
        postgresql_where=sa.text("state = 'queued' and delivered_at is null"),
    )
    op.create_index("files_hidden", "files", ["job_id"], postgresql_where=sa.text("not visible"))
    op.drop_index("files_owner_id", table_name="files")
    op.create_index("files_owner_id", "files", ["owner", "id"], postgresql_include=["bytes"])


def downgrade() -> None:
    op.drop_index("files_owner_id", table_name="files")
    op.create_index("files_owner_id", "files", ["owner", "id"])
    op.drop_index("files_hidden", table_name="files")
    op.drop_index("jobs_undelivered", table_name="jobs")
