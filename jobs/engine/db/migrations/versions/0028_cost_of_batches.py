"""The most that a batch at a provider can cost: it counts to limits until its answers are read"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    for name in ("most_cost", "cost_before"):
        op.add_column("provider_batches", sa.Column(name, sa.Numeric(), server_default="0", nullable=False))


def downgrade() -> None:
    for name in ("cost_before", "most_cost"):
        op.drop_column("provider_batches", name)
