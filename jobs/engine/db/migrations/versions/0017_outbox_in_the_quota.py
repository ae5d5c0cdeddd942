"""Messages in the outbox count in the storage of their owner, by the functions that count files (0013)"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"

_ADD = """
    insert into storage_used (owner, bytes) select owner, {sign}sum(bytes) from outbox group by owner order by owner
        on conflict (owner) do update set bytes = storage_used.bytes + excluded.bytes
"""


def upgrade() -> None:
    op.execute("lock table outbox in share row exclusive mode")  # none may come between the sum and the triggers
    op.execute(_ADD.format(sign=""))
    for event, rows in (("insert", "new"), ("delete", "old")):
        op.execute(
            f"create trigger outbox_count_{event} after {event} on outbox referencing {rows} table as changed "
            f"for each statement execute function files_count_{event}()"
        )


def downgrade() -> None:
    for event in ("insert", "delete"):
        op.execute(f"drop trigger outbox_count_{event} on outbox")
    op.execute(_ADD.format(sign="-"))
