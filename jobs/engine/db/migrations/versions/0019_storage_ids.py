"""Which storage the site and each worker keep files in, so that those that do not share one are found

The version before reports none, which means that it is not known.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("workers", sa.Column("storage", sa.Text(), nullable=True))
    op.create_table(
        "site_storage",
        sa.Column("one", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("storage", sa.Text(), nullable=False),
        sa.CheckConstraint("one", name="one_row"),
        sa.PrimaryKeyConstraint("one"),
    )


def downgrade() -> None:
    op.drop_table("site_storage")
    op.drop_column("workers", "storage")
