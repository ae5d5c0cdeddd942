"""What the form of a job said that it would take, so that its page can say how right that was

The version before neither writes nor reads it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("estimated", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "estimated")
