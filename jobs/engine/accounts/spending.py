"""What owners spent on models in a month of UTC, and what they may spend: allowances of people and of roles."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, func, select

from jobs.engine.accounts import audit
from jobs.engine.billing import Bill
from jobs.engine.db import postgres
from jobs.engine.db.models import ROLES, Allowance, Spending
from jobs.engine.db.postgres import execute
from jobs.engine.errors import FieldError, InvalidParams, TooMany

MOST_MONTHS = 24
KNOWN_SECONDS = 2
USED_UP = "Your allowance of this month is used up. Wait for the next month, or ask an admin to raise it."

# A person's own allowance goes before that of the role. Without accounts everybody is an admin.
_ALLOWANCE = """
    select dollars from allowances where whose in ('owner:' || %(owner)s,
        'role:' || coalesce((select role from accounts where accounts.owner = %(owner)s limit 1), 'admin'))
    order by whose limit 1
"""
_BEGIN = """
    insert into spending (owner, month) values (%(owner)s, date_trunc('month', now() at time zone 'utc')::date)
    on conflict do nothing
"""
_LOCK = """
    select jobs + chats + unsure from spending
    where owner = %(owner)s and month = date_trunc('month', now() at time zone 'utc')::date for update
"""
# Also what batches at a provider may cost, until their job has ended: less what was read of them.
_HELD = """
    with sent as (
        select greatest(sum(most_cost) - coalesce(jobs.cost, 0) + min(cost_before), 0) as dollars
        from provider_batches join jobs on jobs.id = job_id
        where owner = %(owner)s and provider_batches.state <> 'over' and jobs.state in ('queued', 'running', 'stopping')
        group by jobs.id
    )
    select (select coalesce(sum(cost_held), 0) from jobs where owner = %(owner)s and state in ('running', 'stopping'))
        + (select coalesce(sum(dollars), 0) from sent)
"""
_CHARGE = """
    insert into spending (owner, month, chats, unpriced, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens)
    values (%(owner)s, date_trunc('month', now() at time zone 'utc')::date, %(cost)s, %(unpriced)s,
        %(prompt)s, %(completion)s, %(cached)s, %(reasoning)s)
    on conflict (owner, month) do update set chats = spending.chats + excluded.chats,
        unpriced = spending.unpriced + excluded.unpriced, prompt_tokens = spending.prompt_tokens + excluded.prompt_tokens,
        completion_tokens = spending.completion_tokens + excluded.completion_tokens,
        cached_tokens = spending.cached_tokens + excluded.cached_tokens,
        reasoning_tokens = spending.reasoning_tokens + excluded.reasoning_tokens
"""


def allowance(owner: str) -> Decimal | None:
    """What an owner may spend in a month; None for no limit."""
    found = postgres.fetch_all(_ALLOWANCE, {"owner": owner})
    return found[0][0] if found else None


def has_room(connection: Connection, owner: str) -> bool:
    """Whether all that the owner's jobs have reserved still fits into the allowance. Others who ask wait for this transaction."""
    found = execute(connection, _ALLOWANCE, {"owner": owner})
    return not found or _taken(connection, owner) <= found[0][0]


def left(connection: Connection, owner: str) -> Decimal | None:
    """Dollars that are neither spent nor reserved this month; None without an allowance. Others wait for this transaction."""
    found = execute(connection, _ALLOWANCE, {"owner": owner})
    return max(found[0][0] - _taken(connection, owner), Decimal(0)) if found else None


def check_allowance(owner: str) -> None:
    """Raise TooMany where the allowance of the month is used up."""
    most = allowance(owner) if _any(int(time.monotonic() / KNOWN_SECONDS)) else None
    if most is None:
        return
    with postgres.session() as session:
        if _taken(session.connection(), owner) >= most:
            raise TooMany(USED_UP, reason="allowance_used")


@lru_cache(maxsize=1)
def _any(_: int) -> bool:
    """Whether there are allowances at all, looked up once a period: most sites have none, and a question waits for this."""
    return bool(postgres.fetch_all("select exists (select from allowances)")[0][0])


def _taken(connection: Connection, owner: str) -> Decimal:
    """What is spent this month, or may be by calls on their way. Locks the month's row."""
    execute(connection, _BEGIN, {"owner": owner})
    spent = execute(connection, _LOCK, {"owner": owner})[0][0]
    return Decimal(spent + execute(connection, _HELD, {"owner": owner})[0][0])


def charge(owner: str, bill: Bill) -> None:
    """Add a streamed answer to the month."""
    with postgres.autocommit() as connection:
        charge_in(connection, owner, bill)


def charge_in(connection: Connection, owner: str, bill: Bill) -> None:
    if bill.usage.tokens:
        usage = bill.usage
        values: Mapping[str, Any] = {"prompt": usage.prompt, "completion": usage.completion, "cached": usage.cached}
        counts = {"reasoning": usage.reasoning, "unpriced": int(bill.unpriced), "cost": bill.cost or Decimal(0)}
        execute(connection, _CHARGE, {"owner": owner, **values, **counts})


def spent_this_month(owner: str) -> Spending:
    """What an owner spent in this month of UTC."""
    now = datetime.now(UTC).date().replace(day=1)
    latest = next(iter(months(owner)), None)
    return latest if latest is not None and latest.month >= now else Spending.nothing(owner, now)


def months(owner: str) -> list[Spending]:
    """An owner's months with calls of models, the newest first."""
    with postgres.reading() as session:
        query = select(Spending).where(Spending.owner == owner).order_by(Spending.month.desc()).limit(MOST_MONTHS)
        return list(session.scalars(query))


def of_month(month: date | None = None) -> list[Spending]:
    """What each owner spent in a month, this one if none is given; the most first."""
    with postgres.reading() as session:
        first = month or session.execute(select(func.date_trunc("month", func.timezone("utc", func.now())))).scalar()
        spent = (Spending.jobs + Spending.chats + Spending.unsure).desc()
        return list(session.scalars(select(Spending).where(Spending.month == first).order_by(spent, Spending.owner)))


def allowances() -> dict[str, Decimal]:
    """All allowances, by `owner:<owner>` or `role:<role>`."""
    with postgres.reading() as session:
        return {one.whose: one.dollars for one in session.scalars(select(Allowance))}


def set_allowance(whose: str, dollars: str, *, by: str, address: str | None = None) -> None:
    """Set what a person or a role may spend in a month; empty for no limit. Raises InvalidParams."""
    kind, _, name = whose.partition(":")
    if kind not in ("owner", "role") or not name or (kind == "role" and name not in ROLES):
        raise InvalidParams([FieldError("whose", "An allowance is a person's or a role's.")])
    amount = _amount(dollars)
    with postgres.session() as session:
        if (known := session.get(Allowance, whose)) is not None:
            session.delete(known)
            session.flush()
        if amount is not None:
            session.add(Allowance(whose=whose, dollars=amount))
        _any.cache_clear()
        audit.record(session, by, "allowance_set", whose, address=address, dollars=dollars.strip() or "no limit")


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.strip().removeprefix("$").replace(",", "")) if text.strip() else None
    except InvalidOperation:
        amount = Decimal(-1)
    if amount is not None and not 0 <= amount <= 10**9:
        raise InvalidParams(
            [FieldError("dollars", "Write an amount of dollars such as 20 or 0.50, or nothing for no limit.")]
        )
    return amount
