"""Sign-ins of browsers. The cookie holds a random secret, a row its digest; deleting the row ends the sign-in."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select, text, update

from jobs.engine.accounts import audit, passwords, throttle, users
from jobs.engine.db import postgres
from jobs.engine.db.models import Account, SignIn, Token, new_id
from jobs.engine.db.records import as_id
from jobs.engine.errors import Conflict, Forbidden, NotAuthenticated, NotFound, TooMany
from jobs.engine.jsonsafe import clean_text

IDLE_DAYS, WHOLE_DAYS = 14, 90
SEVERAL = 3  # people, whom no one address has unless it is a proxy's or an office's
REFUSED = "The name or the password is not right."
_IDLE = text(f"interval '{IDLE_DAYS} days'")
_WHOLE = text(f"interval '{WHOLE_DAYS} days'")
_A_WHILE = text("interval '5 min'")


@dataclass(frozen=True)
class Identity:
    """Who makes a request. Without accounts, `account` is None and everything is allowed."""

    owner: str
    name: str
    role: str
    account: Account | None = None
    sign_in: UUID | None = None
    token: UUID | None = None
    scope: str = "operate"  # of the token


def sign_in_by_password(name: str, password: str, *, address: str, browser: str, counted: str = "") -> str:
    """Sign in; returns the cookie's secret. Raises NotAuthenticated, TooMany; neither reveals whether the account exists.

    counted: the address whose tries count together; the same if it is empty.
    """
    counted = counted or address
    name = clean_text(name).strip().lower()[:100]
    try:
        throttle.count(name, counted)
    except TooMany:
        _refuse(name, address, "too many tries")
        raise
    with postgres.session() as session:
        found = session.scalar(select(Account).where(Account.name == name))
    right = passwords.matches(found.password if found else None, password)
    if not found or not right or found.suspended_at is not None:
        why = "suspended" if found and right else "wrong name or password"
        _refuse(name, address, why, known=found is not None)
        raise NotAuthenticated(REFUSED)
    throttle.forget(name, counted)
    return _begin(found, address, browser, "password")


def sign_in_by_provider(subject: str, name: str, *, new: bool, address: str, browser: str) -> str:
    """Sign in the account of an OpenID provider's subject; `new`: make a member account if there is none.

    Raises NotAuthenticated for a suspended account, Forbidden if there is none and `new` is false, InvalidParams, Conflict.
    """
    with postgres.session() as session:
        found = session.scalar(select(Account).where(Account.subject == subject))
    if found is None:
        if not new:
            _refuse(name, address, "no account here")
            raise Forbidden("There is no account for you here. An administrator can add one.")
        try:
            found = users.add(name, "member", None, address=address, subject=subject)
        except Conflict:
            _refuse(name, address, "the name is taken")
            raise Conflict(
                f"An account named {name} exists already and does not belong to this provider. Sign in with its password."
            ) from None
    if found.suspended_at is not None:
        _refuse(found.name, address, "suspended", known=True)
        raise NotAuthenticated("This account is suspended. An administrator can reinstate it.")
    return _begin(found, address, browser, "provider")


def identity_of_session(secret: str) -> Identity | None:
    """The identity behind a cookie's secret; None if the sign-in has ended."""
    with postgres.reading() as session:
        row = session.execute(
            select(Account, SignIn.id, SignIn.seen_at < func.now() - _A_WHILE)
            .join(SignIn, SignIn.account_id == Account.id)
            .where(SignIn.digest == digest(secret), Account.suspended_at.is_(None))
            .where(SignIn.seen_at > func.now() - _IDLE, SignIn.created_at > func.now() - _WHOLE)
        ).one_or_none()
        if row is None:
            return None
        account, sign_in, stale = row
        if stale:
            session.execute(update(SignIn).where(SignIn.id == sign_in).values(seen_at=func.now()))
    return Identity(account.owner, account.name, account.role, account, sign_in=sign_in)


def still_valid(identity: Identity) -> bool:
    """Whether an identity is still valid: for responses that are streamed for long."""
    if identity.account is None:
        return not users.any_accounts()
    with postgres.reading() as session:
        query = select(Account.role).where(Account.id == identity.account.id, Account.suspended_at.is_(None))
        if identity.token is not None:
            query = query.where(
                select(Token.id).where(Token.id == identity.token, Token.expires_at > func.now()).exists()
            )
        else:
            query = query.where(select(SignIn.id).where(SignIn.id == identity.sign_in).exists())
        return session.scalar(query) is not None


def list_sessions(account: Account) -> list[SignIn]:
    """The account's sign-ins, the last seen first."""
    with postgres.reading() as session:
        query = select(SignIn).where(SignIn.account_id == account.id, SignIn.seen_at > func.now() - _IDLE)
        return list(session.scalars(query.order_by(SignIn.seen_at.desc()).limit(100)))


def one_address() -> str | None:
    """The address that all sign-ins of several accounts come from: usually that of a proxy. None if there are more, or few."""
    with postgres.reading() as session:
        query = select(
            func.min(SignIn.address), func.count(SignIn.address.distinct()), func.count(SignIn.account_id.distinct())
        )
        address, addresses, people = session.execute(query.where(SignIn.seen_at > func.now() - _IDLE)).one()
    return address if addresses == 1 and people >= SEVERAL else None


def end_session(account: Account, sign_in: str | UUID, *, address: str | None = None) -> None:
    """Sign one browser of this account out. Raises NotFound."""
    with postgres.session() as session:
        query = delete(SignIn).where(SignIn.id == as_id(sign_in), SignIn.account_id == account.id).returning(SignIn.id)
        if session.scalar(query) is None:
            raise NotFound
        audit.record(session, account.owner, "sign_out", account.name, address=address)


def digest(secret: str) -> str:
    """The stored digest of a secret. SHA-256 is enough, because the secret is random."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _begin(account: Account, address: str, browser: str, how: str) -> str:
    secret = secrets.token_urlsafe(32)
    where = {"address": address, "browser": clean_text(browser)[:300]}
    with postgres.session() as session:
        session.execute(delete(SignIn).where(SignIn.account_id == account.id, SignIn.seen_at < func.now() - _IDLE))
        session.add(SignIn(id=new_id(), account_id=account.id, digest=digest(secret), **where))
        session.execute(update(Account).where(Account.id == account.id).values(signed_in_at=func.now()))
        audit.record(session, account.owner, "sign_in", account.name, address=address, how=how)
    return secret


def _refuse(name: str, address: str, why: str, *, known: bool = False) -> None:
    """Record it once within the throttle's minutes for an address, and for each account: else anybody fills the log."""
    with postgres.session() as session:
        if not throttle.first(session, f"{why} {name if known else ''}", address):
            return
        audit.record(session, None, "sign_in_refused", name, who=name or "nobody", address=address, why=why)
