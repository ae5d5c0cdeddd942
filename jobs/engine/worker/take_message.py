"""Turn an RQ message into a claimed job: check that it is ours, due, and next in fair order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from rq import Queue
from rq.job import Job as RqJob

from jobs.engine.db import postgres
from jobs.engine.errors import LegworkError
from jobs.engine.kinds import catalogue
from jobs.engine.queue import delivery, fair_share, ledger
from jobs.engine.queue.delivery import QueueMessage

AGAIN_SECONDS = 10  # until a job of a kind that this worker does not know is delivered again

log = logging.getLogger("legwork.worker")


def claimed(message: RqJob, queue: Queue, worker: str, serves: Sequence[str]) -> tuple[RqJob, ledger.Claim | None]:
    """Claim the job of this message, or of another if it is another owner's turn. Returns the message of the job it claimed.

    A message that calls helpers gives a part of a job in one of the queues that the worker `serves`.
    """
    try:
        if not _is_ours(message, queue):
            return message, None
        if message.func_name == delivery.HELP_FUNCTION:
            return message, _helping(serves, worker)
        if not _is_known(message):
            return message, None
        try:
            with postgres.autocommit() as connection:
                return message, ledger.claim_if_uncontended(connection, UUID(message.id), worker)
        except ledger.Contended:
            with postgres.autocommit() as connection:
                message = fair_share.message_in_turn(connection, message, queue)
                runs = _is_ours(message, queue) and _is_known(message)
                return message, ledger.claim(connection, UUID(message.id), worker) if runs else None
    except (ValueError, TypeError, AttributeError, LegworkError) as error:
        log.warning("message %s: %s", message.id, error)
    except Exception as error:  # RQ raises many things for a broken hash; the row, if there is one, is delivered again
        log.warning("dropped message %s: %r", message.id, error)
    return message, None


def _is_ours(message: RqJob, queue: Queue) -> bool:
    """Whether Legwork wrote this message. The hash of one that was tampered with is deleted, so that it comes back clean."""
    foreign = message.foreign if isinstance(message, QueueMessage) else ("all of it",)
    if foreign or message.origin != queue.name:
        log.warning("dropped message %s: it was changed: %s", message.id, ", ".join(foreign)[:200] or "its queue")
        queue.connection.delete(message.key)
        return False
    return message.func_name == (delivery.HELP_FUNCTION if queue.name.startswith(delivery.PARTS) else delivery.FUNCTION)


def _helping(serves: Sequence[str], worker: str) -> ledger.Claim | None:
    """A part of a job of any kind that is known here."""
    kinds = [kind.name for kind in catalogue.kinds(hidden=True) if kind.spread and kind.available]
    with postgres.autocommit() as connection:
        return ledger.help_out(connection, kinds, serves, worker)


def drop(message: RqJob, queue: Queue) -> None:
    """Drop the message. Its hash may belong to a run of the same job elsewhere, so it only gets an expiry."""
    with queue.connection.pipeline() as pipeline:
        pipeline.lrem(queue.intermediate_queue_key, 1, message.id)
        pipeline.expire(message.key, delivery.RESULT_SECONDS, nx=True)
        pipeline.execute()


def _is_known(message: RqJob) -> bool:
    """Whether its kind can run here. If not, the job is delivered again later."""
    kind = str(message.kwargs.get("kind"))
    trouble = catalogue.unavailable_reason(kind)
    if trouble is None:
        return True
    with postgres.session() as session:
        ledger.defer_unknown_kind(session.connection(), UUID(message.id), kind, AGAIN_SECONDS, trouble)
    log.warning("message %s: %s", message.id, trouble)
    return False
