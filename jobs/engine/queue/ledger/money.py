"""What the worker that has claimed a job reserves for calls of models, before they start."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from jobs.engine.accounts import spending
from jobs.engine.db.postgres import execute
from jobs.engine.queue.ledger.claims import Claim
from jobs.engine.queue.ledger.lease import lock

_HOLD = """
    update jobs set cost_held = cost_held + %(dollars)s
    where id = %(id)s and lease = %(lease)s and state in ('running', 'stopping')
"""


def hold(connection: Connection, claim: Claim, dollars: Decimal) -> bool:
    """Reserve money for calls that are about to start; False where the owner's allowance leaves no room.

    In a transaction. What is not released by the outcomes of items when the attempt ends counts as perhaps spent. Raises
    LeaseLost.
    """
    values = {"id": claim.job_id, "lease": claim.lease}
    lock(connection, claim.job_id, claim.lease)
    execute(connection, _HOLD, values | {"dollars": dollars})
    if spending.has_room(connection, claim.owner):
        return True
    execute(connection, _HOLD, values | {"dollars": -dollars})
    return False


# sent: what the job's batches at a provider may cost, less what was read of them.
_SPENT = """
    select coalesce(cost, 0) + cost_unsure + cost_held, greatest(coalesce((
        select sum(most_cost) + min(cost_before) from provider_batches where job_id = jobs.id and state <> 'over'
    ) - coalesce(cost, 0), 0), 0) from jobs where id = %(id)s
"""
# The month of the owner follows by a trigger.
_DOUBT = "update jobs set cost_unsure = cost_unsure + %(dollars)s where id = %(id)s"


class Spent(NamedTuple):
    """Dollars of a job. known: what it has cost, and what calls that broke off may have. sent: what its batches still may cost."""

    known: Decimal
    sent: Decimal


def spent(connection: Connection, job_id: UUID) -> Spent:
    return Spent(*map(Decimal, execute(connection, _SPENT, {"id": job_id})[0]))


def doubt(connection: Connection, job_id: UUID, dollars: Decimal) -> None:
    """Count what may have been spent, and will never be known, to the job and its owner's month."""
    if dollars:
        execute(connection, _DOUBT, {"id": job_id, "dollars": dollars})
