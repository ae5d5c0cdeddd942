"""Accounts: who may sign in, how, and what they did.

Rows carry the owner as text. Rows made before there are accounts have the owner `local`; the first account takes them over.
"""

from __future__ import annotations

from jobs.engine.accounts.audit import ACTIONS, audit_entries, record
from jobs.engine.accounts.first_account import is_secret, new_secret, opens
from jobs.engine.accounts.sessions import (
    Identity,
    end_session,
    identity_of_session,
    list_sessions,
    one_address,
    sign_in_by_password,
    sign_in_by_provider,
    still_valid,
)
from jobs.engine.accounts.sharing import accept, share, share_of, shared_jobs, unshare
from jobs.engine.accounts.spending import (
    allowance,
    allowances,
    charge,
    check_allowance,
    months,
    of_month,
    set_allowance,
    spent_this_month,
)
from jobs.engine.accounts.tokens import identity_of_token, issue_token, list_tokens, revoke_token
from jobs.engine.accounts.users import (
    add,
    all_accounts,
    any_accounts,
    change_password,
    change_role,
    find,
    resume,
    set_password,
    suspend,
)
from jobs.engine.db.models import ROLES, SCOPES, Account

__all__ = [
    "ACTIONS",
    "ROLES",
    "SCOPES",
    "Account",
    "Identity",
    "accept",
    "add",
    "all_accounts",
    "allowance",
    "allowances",
    "any_accounts",
    "audit_entries",
    "change_password",
    "change_role",
    "charge",
    "check_allowance",
    "end_session",
    "find",
    "identity_of_session",
    "identity_of_token",
    "is_secret",
    "issue_token",
    "list_sessions",
    "list_tokens",
    "months",
    "new_secret",
    "of_month",
    "one_address",
    "opens",
    "record",
    "resume",
    "revoke_token",
    "set_allowance",
    "set_password",
    "share",
    "share_of",
    "shared_jobs",
    "sign_in_by_password",
    "sign_in_by_provider",
    "spent_this_month",
    "still_valid",
    "suspend",
    "unshare",
]
