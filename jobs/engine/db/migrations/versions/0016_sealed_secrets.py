"""Secret params of jobs and schedules, encrypted, in a column of their own"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    for table in ("jobs", "schedules"):
        op.add_column(table, sa.Column("sealed", JSON(), nullable=True))


def downgrade() -> None:
    for table in ("jobs", "schedules"):
        op.drop_column(table, "sealed")
