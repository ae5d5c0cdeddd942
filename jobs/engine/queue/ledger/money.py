"""What the worker that has claimed a job reserves for calls of models, before they start."""

from __future__ import annotations

from decimal import Decimal
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


_SPENT = "select coalesce(cost, 0) + cost_unsure + cost_held from jobs where id = %(id)s"


def spent(connection: Connection, job_id: UUID) -> Decimal:
    """What a job has cost, and what calls that broke off may have."""
    return Decimal(execute(connection, _SPENT, {"id": job_id})[0][0])
