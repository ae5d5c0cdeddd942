"""Accounts, sign-ins, tokens, the audit log, shared jobs; whose turn it is in a queue"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

MOMENT = postgresql.TIMESTAMP(timezone=True)


def _id(name: str = "id") -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=default)


def _now(name: str) -> sa.Column[Any]:
    return sa.Column(name, MOMENT, server_default=sa.text("now()"), nullable=False)


def _then(name: str) -> sa.Column[Any]:
    return sa.Column(name, MOMENT, nullable=True)


def _account() -> list[sa.schema.SchemaItem]:
    return [_id(), _id("account_id")]


def _belongs(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"{table}_account_id_fkey")
    return sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "accounts",
        _id(), _text("name"), _text("owner"), _text("role"), _text("password", nullable=True), _text("subject", nullable=True),
        _then("suspended_at"), _then("signed_in_at"), _now("created_at"),
        sa.CheckConstraint("role in ('viewer','member','operator','admin')", name=op.f("accounts_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pkey")),
        sa.UniqueConstraint("name", name=op.f("accounts_name_key")),
        sa.UniqueConstraint("owner", name=op.f("accounts_owner_key")),
        sa.UniqueConstraint("subject", name=op.f("accounts_subject_key")),
    )  # fmt: skip
    op.create_table(
        "sign_ins",
        *_account(), _text("digest"), _text("address"), _text("browser"), _now("created_at"), _now("seen_at"),
        _belongs("sign_ins"),
        sa.PrimaryKeyConstraint("id", name=op.f("sign_ins_pkey")),
        sa.UniqueConstraint("digest", name=op.f("sign_ins_digest_key")),
    )  # fmt: skip
    op.create_index("sign_ins_account_id_id", "sign_ins", ["account_id", "id"], unique=False)
    op.create_table(
        "tokens",
        *_account(), _text("name"), _text("hint"), _text("digest"), _text("scope"),
        sa.Column("expires_at", MOMENT, nullable=False), _then("used_at"), _now("created_at"),
        _belongs("tokens"),
        sa.CheckConstraint("scope in ('read','write','operate')", name=op.f("tokens_scope_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("tokens_pkey")),
        sa.UniqueConstraint("digest", name=op.f("tokens_digest_key")),
    )  # fmt: skip
    op.create_index("tokens_account_id_id", "tokens", ["account_id", "id"], unique=False)
    op.create_table(
        "sign_in_tries",
        _text("key"), sa.Column("count", sa.BigInteger(), nullable=False), _now("since"),
        sa.PrimaryKeyConstraint("key", name=op.f("sign_in_tries_pkey")),
    )  # fmt: skip
    op.create_table(
        "audit_log",
        _id(), _now("at"), _text("who"), _text("owner", nullable=True), _text("address", nullable=True), _text("action"),
        _text("target", default=""), sa.Column("detail", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_log_pkey")),
    )  # fmt: skip
    op.create_index("audit_log_owner_id", "audit_log", ["owner", "id"], unique=False)
    op.create_table(
        "shares",
        _id(), _id("job_id"), _text("secret"), _now("created_at"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("shares_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("shares_pkey")),
        sa.UniqueConstraint("job_id", name=op.f("shares_job_id_key")),
        sa.UniqueConstraint("secret", name=op.f("shares_secret_key")),
    )  # fmt: skip
    op.create_table(
        "guests",
        _id("share_id"), _text("owner"), _now("opened_at"),
        sa.ForeignKeyConstraint(["share_id"], ["shares.id"], name=op.f("guests_share_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("share_id", "owner", name=op.f("guests_pkey")),
    )  # fmt: skip
    op.create_index("guests_owner", "guests", ["owner"], unique=False)
    op.create_index(
        "jobs_turns", "jobs", ["queue", "owner", "id"], unique=False, postgresql_where=sa.text("state = 'queued'")
    )


def downgrade() -> None:
    op.drop_index("jobs_turns", table_name="jobs")
    for table in ("guests", "shares", "audit_log", "sign_in_tries", "tokens", "sign_ins", "accounts"):
        op.drop_table(table)
