"""When a waiting job is due, in the index by which those before it are counted: the rows themselves are not read for it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_QUEUED = sa.text("state = 'queued'")


def upgrade() -> None:
    op.drop_index("jobs_turns", table_name="jobs")
    op.create_index(
        "jobs_turns", "jobs", ["queue", "owner", "id"], postgresql_where=_QUEUED, postgresql_include=["run_at"]
    )


def downgrade() -> None:
    op.drop_index("jobs_turns", table_name="jobs")
    op.create_index("jobs_turns", "jobs", ["queue", "owner", "id"], postgresql_where=_QUEUED)
