"""Suppressed addresses, which all mailings of the same owner leave out."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from jobs.engine.db import postgres
from jobs.engine.db.models import Suppression
from jobs.engine.db.records import Page, escaped
from jobs.engine.errors import BadInput, FieldError, InvalidParams, NotFound
from jobs.engine.mail import addresses

MOST_AT_ONCE = 50_000


def suppress_addresses(text: str, owner: str) -> int:
    """Add the addresses of a text, one on each line. Returns the number of new ones. Raises InvalidParams and adds none."""
    keys, errors = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            keys.append(addresses.parse_address(line).key)
        except BadInput as error:
            errors.append(FieldError("addresses", f"Line {number}: {error.message}"))
    if errors or not keys or len(keys) > MOST_AT_ONCE:
        raise InvalidParams(
            errors[:20] or [FieldError("addresses", f"Write 1 to {MOST_AT_ONCE:,} addresses, one on each line.")]
        )
    rows = [{"owner": owner, "address": key} for key in dict.fromkeys(keys)]
    new = insert(Suppression).on_conflict_do_nothing().returning(Suppression.address)
    with postgres.session() as session:
        return len(list(session.scalars(new, rows)))


def allow_address(address: str, owner: str) -> None:
    """Remove an address from the list. Raises NotFound."""
    gone = delete(Suppression).where(Suppression.owner == owner, Suppression.address == address)
    with postgres.session() as session:
        if "\x00" in address or session.scalar(gone.returning(Suppression.address)) is None:
            raise NotFound("This address is not on the list.")


def suppressed_among(keys: Iterable[str], owner: str) -> set[str]:
    """The suppressed ones among these addresses."""
    found = select(Suppression.address).where(Suppression.owner == owner, Suppression.address.in_(list(keys)))
    with postgres.session() as session:
        return set(session.scalars(found))


def list_suppressed(
    owner: str, *, q: str | None = None, after: str | None = None, limit: int = 100
) -> Page[Suppression]:
    """The suppressed addresses, in alphabetical order."""
    query = select(Suppression).where(Suppression.owner == owner).order_by(Suppression.address).limit(limit + 1)
    if q:
        query = query.where(Suppression.address.ilike(f"%{escaped(q)}%"))
    if after:
        query = query.where(Suppression.address > after.replace("\x00", ""))
    with postgres.session() as session:
        rows = list(session.scalars(query))
    return Page(rows[:limit], rows[limit - 1].address if len(rows) > limit else None)
