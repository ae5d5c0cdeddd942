"""An index of the messages that were put out longest ago, for the clock to look for: none other has them in this order"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_index(
        "jobs_delivered",
        "jobs",
        ["queue", "delivered_at"],
        postgresql_where=sa.text("state = 'queued' and delivered_at is not null"),
    )


def downgrade() -> None:
    op.drop_index("jobs_delivered", table_name="jobs")
