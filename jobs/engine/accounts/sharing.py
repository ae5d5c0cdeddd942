"""Sharing one job with other accounts, read-only, by a link that its owner can withdraw."""

from __future__ import annotations

import secrets
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from jobs.engine.accounts import audit
from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView, columns, views
from jobs.engine.db.models import Guest, Job, Share, new_id
from jobs.engine.db.records import owned
from jobs.engine.errors import NotFound


def share(job_id: str | UUID, *, owner: str, address: str | None = None) -> Share:
    """The job's link, made if there is none yet. Raises NotFound."""
    with postgres.session() as session:
        job = owned(session, Job, job_id, owner)
        made = insert(Share).values(id=new_id(), job_id=job.id, secret=secrets.token_urlsafe(24))
        if session.scalar(made.on_conflict_do_nothing().returning(Share.id)) is not None:
            audit.record(session, owner, "job_share", job.id, address=address)
        return session.scalars(select(Share).where(Share.job_id == job.id)).one()


def unshare(job_id: str | UUID, *, owner: str, address: str | None = None) -> None:
    """Withdraw the link; those who opened it no longer see the job. Raises NotFound."""
    with postgres.session() as session:
        job = owned(session, Job, job_id, owner)
        if session.scalar(delete(Share).where(Share.job_id == job.id).returning(Share.id)) is not None:
            audit.record(session, owner, "job_unshare", job.id, address=address)


def share_of(job: JobView) -> Share | None:
    with postgres.session() as session:
        return session.scalar(select(Share).where(Share.job_id == job.id))


def accept(secret: str, *, owner: str, address: str | None = None) -> UUID:
    """Open a link, which lets this owner see the job. Returns the job's id. Raises NotFound."""
    with postgres.session() as session:
        found = session.execute(
            select(Share.id, Job.id, Job.owner).join(Job, Job.id == Share.job_id).where(Share.secret == secret)
        ).one_or_none()
        if found is None:
            raise NotFound("This link is not valid. The job's owner may have stopped sharing it.")
        share_id, job_id, job_owner = found
        if job_owner != owner:
            new = insert(Guest).values(share_id=share_id, owner=owner).on_conflict_do_nothing().returning(Guest.owner)
            if session.scalar(new) is not None:
                audit.record(session, owner, "job_open", job_id, address=address)
        return job_id


def shared_jobs(owner: str, limit: int = 100) -> list[JobView]:
    """The jobs of others that are shared with this owner, the last opened first."""
    with postgres.session() as session:
        open_ = select(*columns()).join(Share, Share.job_id == Job.id).join(Guest, Guest.share_id == Share.id)
        return views(session, open_.where(Guest.owner == owner).order_by(Guest.opened_at.desc()).limit(limit))
