"""API tokens, with which programs authenticate. Each has a scope and an expiry date, and is shown once."""

from __future__ import annotations

import secrets
from uuid import UUID

from sqlalchemy import delete, func, select, text, update

from jobs.engine.accounts import audit
from jobs.engine.accounts.sessions import Identity, digest
from jobs.engine.db import postgres
from jobs.engine.db.models import SCOPES, Account, Token, new_id
from jobs.engine.db.records import as_id
from jobs.engine.errors import FieldError, InvalidParams, NotFound, TooMany
from jobs.engine.jsonsafe import clean_text

PREFIX = "lw_"
DAYS = (7, 30, 90, 365)
MOST = 50
_A_WHILE = text("interval '1 min'")


def issue_token(account: Account, name: str, scope: str, days: int, *, address: str | None = None) -> tuple[Token, str]:
    """A new token and its secret, which is not stored. Raises InvalidParams, TooMany."""
    name = clean_text(name).strip()
    errors = []
    if not 1 <= len(name) <= 80:
        errors.append(FieldError("name", "Give it a name of up to 80 characters, such as the program that uses it."))
    if scope not in SCOPES:
        errors.append(FieldError("scope", f"The scope must be one of {', '.join(SCOPES)}."))
    if days not in DAYS:
        errors.append(FieldError("days", f"It can be valid for {', '.join(str(some) for some in DAYS)} days."))
    if errors:
        raise InvalidParams(errors)
    secret = PREFIX + secrets.token_urlsafe(32)
    ends = func.now() + text(f"interval '{days} days'")
    with postgres.session() as session:
        if len(list(session.scalars(select(Token.id).where(Token.account_id == account.id)))) >= MOST:
            raise TooMany(f"You have {MOST} tokens. Revoke one that you no longer use first.")
        values = {"name": name, "hint": secret[:9], "digest": digest(secret), "scope": scope, "expires_at": ends}
        made = Token(id=new_id(), account_id=account.id, **values)
        session.add(made)
        session.flush()
        audit.record(session, account.owner, "token_issue", account.name, address=address, token=name, scope=scope)
        session.refresh(made)
    return made, secret


def identity_of_token(secret: str) -> Identity | None:
    """The identity behind a token; None if it is unknown or expired, or its account is suspended."""
    if not secret.startswith(PREFIX):
        return None
    with postgres.reading() as session:
        row = session.execute(
            select(Account, Token.id, Token.scope, Token.used_at.is_(None) | (Token.used_at < func.now() - _A_WHILE))
            .join(Token, Token.account_id == Account.id)
            .where(Token.digest == digest(secret), Token.expires_at > func.now(), Account.suspended_at.is_(None))
        ).one_or_none()
        if row is None:
            return None
        account, token, scope, stale = row
        if stale:
            session.execute(update(Token).where(Token.id == token).values(used_at=func.now()))
    return Identity(account.owner, account.name, account.role, account, token=token, scope=scope)


def list_tokens(account: Account) -> list[Token]:
    """An account's tokens, newest first; expired ones are listed until they are revoked."""
    with postgres.reading() as session:
        query = select(Token).where(Token.account_id == account.id)
        return list(session.scalars(query.order_by(Token.id.desc()).limit(MOST)))


def revoke_token(account: Account, token_id: str | UUID, *, address: str | None = None) -> None:
    """Revoke a token of this account. Raises NotFound."""
    with postgres.session() as session:
        query = delete(Token).where(Token.id == as_id(token_id), Token.account_id == account.id).returning(Token.name)
        name = session.scalar(query)
        if name is None:
            raise NotFound
        audit.record(session, account.owner, "token_revoke", account.name, address=address, token=name)
