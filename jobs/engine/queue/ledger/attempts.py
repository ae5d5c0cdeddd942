"""What all endings of an attempt share: the attempt's row, items that may have happened, lines in the log."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from jobs.engine.db.postgres import execute
from jobs.engine.jsonsafe import clean_text

MESSAGE_CHARACTERS = 2_000
DETAIL_CHARACTERS = 20_000

_END_ATTEMPTS = """
    update attempts set ended_at = now(), how = %(how)s, message = %(message)s,
        finished = (select done + failed + skipped + unknown from jobs where jobs.id = attempts.job_id)
    where job_id = %(id)s and lease = %(lease)s and ended_at is null
"""


def end_attempts(connection: Connection, held: Sequence[tuple[UUID, int]], how: str, message: str | None) -> None:
    """Write how the attempts of these jobs, each with its lease, ended."""
    for job_id, lease in held:
        values = {"id": job_id, "lease": lease, "how": how, "message": cut(message, MESSAGE_CHARACTERS)}
        execute(connection, _END_ATTEMPTS, values)


def cut(words: str | None, most: int) -> str | None:
    """Text that Postgres accepts, cut to `most` characters."""
    if words is None:
        return None
    words = clean_text(words)
    return words if len(words) <= most else words[: most - 1] + "…"


# The start of a statement that marks started items as `unknown`; it goes on with a `where`.
DOUBTED = """update items set state = 'unknown', finished_at = now(), reason = 'interrupted',
    error = 'It was started and never heard of again: it may have happened. It is not repeated by itself.'"""

# Whether an item is none of those that a living helper has taken: such a helper will say itself how it ended.
NOT_HELPED = """not exists (select from parts join helpers on helpers.id = parts.helper
    where parts.job_id = items.job_id and parts.state = 'taken' and items.position between parts.first and parts.last
        and helpers.ended_at is null and helpers.lease_until > now())"""

_DOUBT = f"""
    with doubted as ({DOUBTED} where job_id = %(id)s and state = 'started' and {NOT_HELPED} returning 1)
    update jobs set unknown = unknown + (select count(*) from doubted)
    where id = %(id)s and exists (select 1 from doubted)
"""


def mark_started_unknown(connection: Connection, job_id: UUID) -> None:
    """Mark items that were started and never ended as `unknown`: nobody knows whether their side effect happened."""
    execute(connection, _DOUBT, {"id": job_id})


_NOTE = "insert into job_log (job_id, level, text) values (%(id)s, %(level)s, %(text)s)"


def note(connection: Connection, job_id: UUID, level: str, line: str) -> None:
    """Add a line to the job's log, from outside its attempt."""
    execute(connection, _NOTE, {"id": job_id, "level": level, "text": clean_text(line)})
