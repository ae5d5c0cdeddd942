"""The accounts themselves: adding, roles, passwords, suspension."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jobs.engine.accounts import audit, passwords, throttle
from jobs.engine.db import postgres
from jobs.engine.db.models import ROLES, Account, SignIn, Token, new_id
from jobs.engine.db.records import as_id
from jobs.engine.errors import Conflict, FieldError, InvalidParams, NotFound

COMMAND_LINE = "the command line"  # who did what was not done in a browser or by a program
LOCAL = "local"  # the owner of rows made before there were accounts
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,79}")
_ONE_AT_A_TIME = text(
    "select pg_advisory_xact_lock(7023463)"
)  # so that there is one first account, and always an admin

CACHED_SECONDS = 1.0

_EXIST = "select exists (select from accounts)"


def any_accounts() -> bool:
    """Whether there is any account, so that signing in is required. Every request needs this, so False is cached for a
    second, or until this process adds one."""
    seen = _seen()
    if time.monotonic() - seen.none_at < CACHED_SECONDS:
        return False
    began = time.monotonic()
    there = bool(postgres.fetch_all(_EXIST)[0][0])
    seen.none_at = -math.inf if there else began
    return there


@dataclass
class _Seen:
    none_at: float = -math.inf  # when there was last seen to be no account


@cache
def _seen() -> _Seen:
    return _Seen()


def all_accounts() -> list[Account]:
    """All accounts, in order of their names."""
    with postgres.reading() as session:
        return list(session.scalars(select(Account).order_by(Account.name).limit(5_000)))


def find(account_id: str | UUID) -> Account:
    """The account of that id, or NotFound."""
    with postgres.reading() as session:
        return _one(session, account_id)


def add(
    name: str,
    role: str,
    password: str | None,
    *,
    by: str | None = None,
    address: str | None = None,
    subject: str | None = None,
    only_first: bool = False,
) -> Account:
    """A new account. The first one must be an admin and takes over existing rows; `only_first`: refuse if it is not the first.

    Raises InvalidParams, Conflict.
    """
    name = checked_name(name)
    _check_role(role)
    hashed = None if password is None else passwords.hashed(passwords.checked(password, name))
    try:
        with postgres.session() as session:
            session.execute(_ONE_AT_A_TIME)
            first = session.scalar(select(func.count()).select_from(Account)) == 0
            if only_first and not first:
                raise Conflict("There is an account already. Ask an admin to add yours.")
            if first and role != "admin":
                raise InvalidParams(
                    [FieldError("role", "The first account must be an admin, so that it can add others.")]
                )
            made = Account(id=new_id(), name=name, role=role, password=hashed, subject=subject, owner="")
            made.owner = LOCAL if first else str(made.id)
            session.add(made)
            session.flush()
            who = None if by or address else COMMAND_LINE
            audit.record(session, by or made.owner, "account_add", name, who=who, address=address, role=role)
            session.refresh(made)
    except IntegrityError:
        raise Conflict(f"An account named {name} exists already.") from None
    _seen().none_at = -math.inf
    return made


def change_role(account_id: str | UUID, role: str, *, by: str, address: str | None = None) -> Account:
    """Change an account's role, from its next request on. Raises InvalidParams, NotFound, Conflict."""
    _check_role(role)
    with postgres.session() as session:
        session.execute(_ONE_AT_A_TIME)
        found = _one(session, account_id)
        if found.role == role:
            return found
        if role != "admin":
            _keep_an_admin(session, found)
        audit.record(session, by, "account_role", found.name, address=address, before=found.role, now=role)
        found.role = role
    return found


def suspend(account_id: str | UUID, *, by: str, address: str | None = None) -> Account:
    """Suspend an account: its sign-ins end, its tokens stop working, and the clock holds its jobs and schedules.

    Raises NotFound, Conflict.
    """
    with postgres.session() as session:
        session.execute(_ONE_AT_A_TIME)
        found = _one(session, account_id)
        if found.suspended_at is None:
            _keep_an_admin(session, found)
            session.execute(update(Account).where(Account.id == found.id).values(suspended_at=func.now()))
            end_sign_ins(session, found)
            audit.record(session, by, "account_suspend", found.name, address=address)
            session.refresh(found)
    return found


def resume(account_id: str | UUID, *, by: str, address: str | None = None) -> Account:
    """Reinstate a suspended account."""
    with postgres.session() as session:
        found = _one(session, account_id)
        if found.suspended_at is not None:
            found.suspended_at = None
            audit.record(session, by, "account_resume", found.name, address=address)
    return found


def set_password(account_id: str | UUID, password: str, *, by: str | None, address: str | None = None) -> Account:
    """Set an account's password without the old one. All its sign-ins and tokens end. Raises InvalidParams."""
    with postgres.session() as session:
        found = _one(session, account_id)
        found.password = passwords.hashed(passwords.checked(password, found.name))
        end_sign_ins(session, found)
        who = None if by or address else COMMAND_LINE
        audit.record(session, by or found.owner, "password_change", found.name, who=who, address=address)
        _revoke_tokens(session, found, by or found.owner, address)
    return found


def change_password(
    account: Account,
    old: str,
    new: str,
    *,
    keep: UUID | None,
    tokens_too: bool = False,
    address: str | None = None,
    counted: str = "",
) -> None:
    """Change one's own password. All sign-ins end but `keep`; the tokens too if requested. Raises InvalidParams, TooMany.

    counted: the address whose tries count together; `address` if it is empty.
    """
    if account.password is not None:
        _check_old(account, account.password, old, counted or address or "unknown")
    hashed = passwords.hashed(passwords.checked(new, account.name, "new"))
    with postgres.session() as session:
        session.execute(update(Account).where(Account.id == account.id).values(password=hashed))
        end_sign_ins(session, account, keep)
        audit.record(session, account.owner, "password_change", account.name, address=address)
        if tokens_too:
            _revoke_tokens(session, account, account.owner, address)


def _revoke_tokens(session: Session, account: Account, by: str, address: str | None) -> None:
    names = session.scalars(delete(Token).where(Token.account_id == account.id).returning(Token.name)).all()
    for name in names:
        audit.record(session, by, "token_revoke", account.name, address=address, token=name)


def _check_old(account: Account, stored: str, old: str, address: str) -> None:
    """Guesses count as those at sign-in do: whoever has a session could try passwords without end."""
    throttle.count(account.name, address)
    if not passwords.matches(stored, old):
        raise InvalidParams([FieldError("old", "This is not your current password.")])
    throttle.forget(account.name, address)


def end_sign_ins(session: Session, account: Account, keep: UUID | None = None) -> None:
    """Sign all browsers of an account out, except `keep`."""
    query = delete(SignIn).where(SignIn.account_id == account.id)
    session.execute(query if keep is None else query.where(SignIn.id != keep))


def checked_name(name: str) -> str:
    """A name for an account, as it is stored. Raises InvalidParams."""
    name = name.strip().lower()
    if not _NAME.fullmatch(name) or name == LOCAL:
        words = "A name has up to 80 letters a to z, digits and . _ @ + -, and begins with a letter or digit."
        raise InvalidParams([FieldError("name", words)])
    return name


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidParams([FieldError("role", f"The role must be one of {', '.join(ROLES)}.")])


def _one(session: Session, account_id: str | UUID) -> Account:
    found = session.get(Account, as_id(account_id))
    if found is None:
        raise NotFound("There is no such account.")
    return found


def _keep_an_admin(session: Session, going: Account) -> None:
    others = select(Account.id).where(Account.role == "admin", Account.suspended_at.is_(None), Account.id != going.id)
    if going.role == "admin" and session.scalar(others.limit(1)) is None:
        raise Conflict("This is the only admin. Make another account an admin first.")
