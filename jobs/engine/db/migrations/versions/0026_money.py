"""What calls of models cost: of items, jobs, answers, and of each owner in a month"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

JOB_COUNTS = ("cached_tokens", "reasoning_tokens", "unpriced", "reused")
JOB_DOLLARS = ("cost_held", "cost_unsure", "cost_saved")
MONEY_COUNTS = ("unpriced", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
DOLLARS = ("jobs", "chats", "unsure")

_COUNT = """
    create function jobs_count_spending() returns trigger language plpgsql as $$
    begin
        insert into spending (owner, month, jobs, unsure, unpriced, prompt_tokens, completion_tokens, cached_tokens,
            reasoning_tokens)
        values (new.owner, date_trunc('month', now() at time zone 'utc')::date,
            coalesce(new.cost, 0) - coalesce(old.cost, 0), new.cost_unsure - old.cost_unsure, new.unpriced - old.unpriced,
            new.prompt_tokens - old.prompt_tokens, new.completion_tokens - old.completion_tokens,
            new.cached_tokens - old.cached_tokens, new.reasoning_tokens - old.reasoning_tokens)
        on conflict (owner, month) do update set jobs = spending.jobs + excluded.jobs,
            unsure = spending.unsure + excluded.unsure, unpriced = spending.unpriced + excluded.unpriced,
            prompt_tokens = spending.prompt_tokens + excluded.prompt_tokens,
            completion_tokens = spending.completion_tokens + excluded.completion_tokens,
            cached_tokens = spending.cached_tokens + excluded.cached_tokens,
            reasoning_tokens = spending.reasoning_tokens + excluded.reasoning_tokens;
        return null;
    end $$
"""
# What was reserved and not settled when an attempt ends, however it ends, may have been spent.
_RELEASE = """
    create function jobs_release_held() returns trigger language plpgsql as $$
    begin
        new.cost_unsure := new.cost_unsure + new.cost_held;
        new.cost_held := 0;
        return new;
    end $$
"""


def _numeric(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Numeric(), server_default="0", nullable=False)


def _count(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def upgrade() -> None:
    for table in ("items", "messages"):
        op.add_column(table, sa.Column("cached_tokens", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column("reasoning_tokens", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column("cost", sa.Numeric(), nullable=True))
    op.add_column("jobs", sa.Column("cost", sa.Numeric(), nullable=True))
    for name in JOB_COUNTS:
        op.add_column("jobs", _count(name))
    for name in JOB_DOLLARS:
        op.add_column("jobs", _numeric(name))
    op.create_table(
        "spending",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        *(_numeric(name) for name in DOLLARS),
        *(_count(name) for name in MONEY_COUNTS),
        sa.PrimaryKeyConstraint("owner", "month", name=op.f("spending_pkey")),
    )
    op.create_table(
        "allowances",
        sa.Column("whose", sa.Text(), nullable=False),
        sa.Column("dollars", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("whose", name=op.f("allowances_pkey")),
    )
    op.execute(_COUNT)
    op.execute(_RELEASE)
    op.execute(
        "create trigger jobs_count_spending after update on jobs for each row when (old.cost is distinct from new.cost"
        " or old.cost_unsure <> new.cost_unsure or old.prompt_tokens <> new.prompt_tokens"
        " or old.completion_tokens <> new.completion_tokens) execute function jobs_count_spending()"
    )
    op.execute(
        "create trigger jobs_release_held before update on jobs for each row when (old.cost_held > 0"
        " and (new.lease <> old.lease or new.state not in ('running', 'stopping'))) execute function jobs_release_held()"
    )


def downgrade() -> None:
    for name in ("jobs_count_spending", "jobs_release_held"):
        op.execute(f"drop trigger {name} on jobs")
        op.execute(f"drop function {name}()")
    op.drop_table("allowances")
    op.drop_table("spending")
    for name in (*JOB_DOLLARS, *JOB_COUNTS, "cost"):
        op.drop_column("jobs", name)
    for table in ("items", "messages"):
        for name in ("cost", "reasoning_tokens", "cached_tokens"):
            op.drop_column(table, name)
