"""What may have been spent when an attempt is lost is never more than the job's limit in dollars

A call that has ended gives its room to others before its outcome is recorded, so what was reserved at a loss can pass the limit,
though what was paid cannot.
"""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"

_FUNCTION = """
    create or replace function jobs_release_held() returns trigger language plpgsql as $$
    begin
        new.cost_unsure := {};
        new.cost_held := 0;
        return new;
    end $$
"""
_ALL = "new.cost_unsure + new.cost_held"
_WITHIN = """greatest(new.cost_unsure, least(new.cost_unsure + new.cost_held,
            case when json_typeof(new.params -> 'cost_limit') = 'number' then (new.params ->> 'cost_limit')::numeric end
            - coalesce(new.cost, 0)))"""  # without a limit it is null, which least passes over


def upgrade() -> None:
    op.execute(_FUNCTION.format(_WITHIN))


def downgrade() -> None:
    op.execute(_FUNCTION.format(_ALL))
