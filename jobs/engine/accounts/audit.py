"""The audit log: who did what, written in the transaction that does it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.models import Account, AuditEntry, new_id
from jobs.engine.db.records import Page, as_id, escaped
from jobs.engine.jsonsafe import clean_text

ACTIONS = {
    "sign_in": "signed in",
    "sign_in_refused": "failed to sign in",
    "sign_out": "signed out",
    "account_add": "added the account",
    "account_role": "changed the role of",
    "account_suspend": "suspended",
    "account_resume": "reinstated",
    "password_change": "changed the password of",
    "token_issue": "made a token for",
    "token_revoke": "revoked a token of",
    "connection_save": "saved the connection",
    "connection_remove": "removed the connection",
    "allowance_set": "set the allowance of",
    "job_stop": "stopped the job",
    "job_delete": "deleted the job",
    "job_share": "shared the job",
    "job_unshare": "stopped sharing the job",
    "job_open": "opened the shared job",
    "approve": "approved",
    "refuse": "refused",
    "schedule_pause": "paused the schedule",
    "schedule_resume": "resumed the schedule",
    "schedule_delete": "deleted the schedule",
    "queue_pause": "paused the queue",
    "queue_resume": "resumed the queue",
    "worker_another": "started a worker beside",
    "worker_finish": "drained the worker",
    "worker_stop": "stopped the worker",
}


def record(
    session: Session,
    owner: str | None,
    action: str,
    target: object = "",
    *,
    who: str | None = None,
    address: str | None = None,
    **detail: Any,
) -> None:
    """Write one entry in the caller's transaction. `action` is a key of ACTIONS, `target` the name or id of its object."""
    name = who or name_of(session, owner)
    values = {"who": clean_text(name)[:100], "owner": owner, "address": address, "action": action, "detail": detail}
    session.execute(insert(AuditEntry).values(id=new_id(), target=clean_text(str(target))[:300], **values))


def name_of(session: Session, owner: str | None) -> str:
    """The name of the owner's account; the owner itself if there is none."""
    return session.scalar(select(Account.name).where(Account.owner == owner)) or owner or "somebody"


def audit_entries(
    *, q: str | None = None, action: str | None = None, after: str | None = None, limit: int = 50
) -> Page[AuditEntry]:
    """The log, newest first. `q` searches who, target and address."""
    query = select(AuditEntry)
    if q:
        words = f"%{escaped(q)}%"
        columns = (AuditEntry.who, AuditEntry.target, AuditEntry.address)
        query = query.where(columns[0].ilike(words) | columns[1].ilike(words) | columns[2].ilike(words))
    if action:
        query = query.where(AuditEntry.action == action)
    if after is not None:
        query = query.where(AuditEntry.id < as_id(after))
    with postgres.session() as session:
        rows = list(session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit + 1)))
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)
