"""Notifications that a job has ended: by mail, or by a signed webhook request.

Each try is claimed by an update that is committed before anything is sent: it counts the try and puts the next one off, so
that two clocks do not send the same, and a clock that dies in the middle costs one try. A webhook is signed as
standardwebhooks.com describes: HMAC-SHA256 over `id.timestamp.body`, base64, as `v1,…`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.orm import Session

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import ENDED_STATES, Account, Job, Notification
from jobs.engine.errors import BadInput, FieldError, InvalidParams, LegworkError, Transient
from jobs.engine.mail import addresses, smtp
from jobs.engine.sandbox import http, webhook_signatures
from jobs.engine.secret_key import secret_key

MOST_TRIES = 5
MOST_TARGETS = 4
BACKOFF_SECONDS = (30, 120, 600, 3_600, 3_600)  # after tries 1, 2, …
AT_ONCE = 20

log = logging.getLogger("legwork.notifications")

_WORDS = {"succeeded": "Succeeded", "partial": "Partly done", "failed": "Failed", "cancelled": "Stopped"}


class NotificationTarget(NamedTuple):
    """A valid address for a notification: of a mailbox, or of a webhook."""

    channel: str
    target: str


def checked_notifications(wanted: Sequence[NotificationTarget | Mapping[str, str]]) -> list[NotificationTarget]:
    """Valid targets without duplicates; a NotificationTarget is not checked again. Raises InvalidParams naming the channel."""
    found = list(dict.fromkeys(one if isinstance(one, NotificationTarget) else _checked_target(one) for one in wanted))
    if len(found) > MOST_TARGETS:
        raise InvalidParams([FieldError("notify", f"At most {MOST_TARGETS} can be told of one job.")])
    return found


def _checked_target(one: Mapping[str, str]) -> NotificationTarget:
    channel, target = one.get("channel", ""), one.get("target", "").strip()
    try:
        if channel == "mail":
            addresses.parse_address(target)
        elif channel == "webhook":
            http.check(target)
        else:
            raise BadInput("A channel is mail or webhook.")
    except BadInput as error:
        raise InvalidParams([FieldError(channel or "notify", error.message)]) from None
    return NotificationTarget(channel, target)


def add(session: Session, job_id: UUID, targets: Sequence[NotificationTarget]) -> None:
    session.add_all([Notification(job_id=job_id, channel=one.channel, target=one.target) for one in targets])


def notifications_of(job: JobView) -> list[Notification]:
    with postgres.reading() as session:
        found = select(Notification).where(Notification.job_id == job.id)
        return list(session.scalars(found.order_by(Notification.id)))


_REOPEN = text("update notifications set state = 'open', attempts = 0, next_at = now() where job_id = :id")


def reopen(connection: Connection, job_id: UUID) -> None:
    """Notify again: the job runs again."""
    connection.execute(_REOPEN, {"id": job_id})


def is_due() -> bool:
    with postgres.session() as session:
        return session.scalar(_due().limit(1)) is not None


def send_due() -> int:
    """Make one try for each notification that is due. Returns how many were made."""
    with postgres.session() as session:
        due = list(session.scalars(_due().limit(AT_ONCE)))
    return sum(_tell(notification_id) for notification_id in due)


def webhook_secret() -> str:
    """What webhooks are signed with, in the form that libraries take. Raises Transient before the web has made the key."""
    key = secret_key()
    if not key:
        raise Transient("There is no key to sign with yet; the web makes it when it starts.")
    derived = hmac.digest(key.encode(), b"legwork webhooks", hashlib.sha256)
    return f"{webhook_signatures.PREFIX}{base64.b64encode(derived).decode()}"


def signature(notification_id: str, timestamp: int, body: bytes) -> str:
    return webhook_signatures.sign(webhook_secret(), notification_id, timestamp, body)


def _due() -> Any:
    ended = select(Notification.id).join(Job, Job.id == Notification.job_id).where(Job.state.in_(ENDED_STATES))
    ended = ended.where(Job.owner.not_in(select(Account.owner).where(Account.suspended_at.is_not(None))))
    return ended.where(Notification.state == "open", Notification.next_at <= func.now()).order_by(Notification.next_at)


_CLAIM = text("""
    update notifications set attempts = attempts + 1, next_at = now() + make_interval(secs => :wait)
    where id = :id and state = 'open' and next_at <= now() and attempts = :attempts returning id
""")


def _tell(notification_id: UUID) -> int:
    with postgres.session() as session:
        notification = session.get(Notification, notification_id)
        job = session.get(Job, notification.job_id) if notification else None
        if notification is None or job is None or not job.ended:
            return 0
        wait = BACKOFF_SECONDS[min(notification.attempts, len(BACKOFF_SECONDS) - 1)]
        claim = {"id": notification_id, "wait": wait, "attempts": notification.attempts}
        if session.execute(_CLAIM, claim).one_or_none() is None:
            return 0
        tried = notification.attempts + 1
    state, said = _try(notification, job)
    if state == "open" and tried >= MOST_TRIES:
        state = "given_up"
    _note(notification_id, state, said)
    return 1


def _try(notification: Notification, job: Job) -> tuple[str, str]:
    """The state it is in afterwards, and what to say of it."""
    if notification.channel == "mail" and job.state == "cancelled":
        return "not_needed", "no mail: the job was stopped by a person"
    try:
        return _SENDERS[notification.channel](notification, job)
    except LegworkError as error:
        log.warning("telling %s of job %s: %s", notification.channel, job.id, error)
        return ("open" if error.retryable else "given_up"), error.message


def _by_webhook(notification: Notification, job: Job) -> tuple[str, str]:
    body = json.dumps(_told(job), ensure_ascii=False).encode()
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": str(notification.id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(str(notification.id), timestamp, body),
    }
    reply = http.post(notification.target, body, headers)
    if 200 <= reply.status < 300:
        return "sent", f"taken with {reply.status}"
    lasting = 400 <= reply.status < 500 and reply.status not in (408, 409, 425, 429)
    return ("given_up" if lasting else "open"), f"answered {reply.status}"


def _by_mail(notification: Notification, job: Job) -> tuple[str, str]:
    subject = f"{_WORDS[job.state]}: {job.kind.replace('_', ' ')}{f', {job.label}' if job.label else ''}"[:200]
    counts = f"{job.done:,} done, {job.failed:,} failed, {job.skipped:,} skipped" if job.finished else ""
    lines = [subject + ".", job.message or "", f"{counts}." if counts else "", "", _address(job), ""]
    smtp.send(notification.target, subject, "\n".join(lines), owner=job.owner, job_id=job.id)
    return "sent", f"handed to {smtp.delivery_target()}"


_SENDERS = {"webhook": _by_webhook, "mail": _by_mail}


def _told(job: Job) -> dict[str, Any]:
    """The body of a webhook: which job, and how it ended, without its params and results."""
    counts = {name: getattr(job, name) for name in ("done", "failed", "skipped", "unknown", "total")}
    return {
        "type": "job.ended",
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": {
            "id": str(job.id),
            "kind": job.kind,
            "label": job.label,
            "state": job.state,
            "reason": job.reason,
            "message": job.message,
            "progress": counts,
            "finished_at": job.finished_at.isoformat() if job.finished_at else None,
            "schedule": str(job.schedule_id) if job.schedule_id else None,
            "url": _address(job),
        },
    }


def _address(job: Job) -> str:
    """The address of the job's page, as far as the settings tell."""
    now = settings.current()
    host = (
        f"http://{now.host}:{now.port}"
        if now.this_machine_only or not now.public_name
        else f"https://{now.public_name}"
    )
    return f"{host}/jobs/{job.id}"


def _note(notification_id: UUID, state: str, said: str) -> None:
    entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "state": state, "text": said[:300]}
    one = update(Notification).where(Notification.id == notification_id)
    with postgres.session() as session:
        session.execute(one.values(state=state, tries=Notification.tries.op("||")([entry])))
