"""Who may come in, how they came in, what they did, and what they let others see."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base, new_id

ROLES = ("viewer", "member", "operator", "admin")  # each may do what the ones before it may
SCOPES = ("read", "write", "operate")


class Account(Base):
    """A person, or a program that signs in like one."""

    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)  # what is typed to sign in, in lower case
    owner: Mapped[str] = mapped_column(unique=True)  # what the rows of this account carry
    role: Mapped[str]
    password: Mapped[str | None]  # as Argon2 wrote it; none where a provider vouches for the account
    subject: Mapped[str | None] = mapped_column(unique=True)  # whom the OpenID provider means: issuer and subject
    suspended_at: Mapped[datetime | None]
    signed_in_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("role in ('viewer','member','operator','admin')", name="role_known"),)


class SignIn(Base):
    """One browser that is signed in. Deleting the row ends it, on every web process."""

    __tablename__ = "sign_ins"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(unique=True)  # SHA-256 of what the cookie holds
    address: Mapped[str]
    browser: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("sign_ins_account_id_id", "account_id", "id"),)


class Token(Base):
    """A key for programs. Shown once; only its digest is kept."""

    __tablename__ = "tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str]
    hint: Mapped[str]  # its first characters, to know it again
    digest: Mapped[str] = mapped_column(unique=True)
    scope: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("scope in ('read','write','operate')", name="scope_known"),
        Index("tokens_account_id_id", "account_id", "id"),
    )


class Tries(Base):
    """How often signing in was tried of late, by a name or from an address."""

    __tablename__ = "sign_in_tries"

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    since: Mapped[datetime] = mapped_column(server_default=func.now())


class AuditEntry(Base):
    """Who did what. Nothing changes or deletes an entry."""

    __tablename__ = "audit_log"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    who: Mapped[str]  # an account's name as it was then; "local" without accounts; a name that was refused
    owner: Mapped[str | None]  # of the account; none where nobody was let in
    address: Mapped[str | None]
    action: Mapped[str]
    target: Mapped[str] = mapped_column(server_default="")
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")

    __table_args__ = (Index("audit_log_owner_id", "owner", "id"),)


class Share(Base):
    """A link that shows one job to every account that opens it, until it is withdrawn."""

    __tablename__ = "shares"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
    secret: Mapped[str] = mapped_column(unique=True)  # the end of the link; its owner may look at it again
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Guest(Base):
    """An owner who opened a link, and may look at its job as long as the link stands."""

    __tablename__ = "guests"

    share_id: Mapped[UUID] = mapped_column(ForeignKey("shares.id", ondelete="CASCADE"), primary_key=True)
    owner: Mapped[str] = mapped_column(primary_key=True)
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("guests_owner", "owner"),)
