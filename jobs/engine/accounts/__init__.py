"""Accounts: who may come in, how, and what they did. The door of this room for the web and for commands.

Rows carry an owner, a text. The first account takes over what was made before there were any: its owner is `local`.
"""

from __future__ import annotations

from jobs.engine.accounts.audit import ACTIONS, audit_entries, record
from jobs.engine.accounts.first_account import new_secret, opens
from jobs.engine.accounts.sessions import (
    Identity,
    end_other_sessions,
    end_session,
    identity_of_session,
    list_sessions,
    sign_in_by_password,
    sign_in_by_provider,
    still_valid,
)
from jobs.engine.accounts.sharing import accept, share, share_of, shared_jobs, unshare
from jobs.engine.accounts.tokens import identity_of_token, issue_token, list_tokens, revoke_token
from jobs.engine.accounts.users import (
    Account,
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
from jobs.engine.db.models import ROLES, SCOPES
from jobs.engine.operations.all_schedules import list_all_schedules, pause_any_schedule

__all__ = ["ROLES", "SCOPES", "Account", "Identity"]
__all__ += [
    "add",
    "all_accounts",
    "any_accounts",
    "change_password",
    "change_role",
    "find",
    "resume",
    "set_password",
    "suspend",
]
__all__ += [
    "end_other_sessions",
    "end_session",
    "identity_of_session",
    "list_sessions",
    "sign_in_by_password",
    "sign_in_by_provider",
    "still_valid",
]
__all__ += ["new_secret", "opens"]
__all__ += ["identity_of_token", "issue_token", "list_tokens", "revoke_token"]
__all__ += ["accept", "share", "share_of", "shared_jobs", "unshare"]
__all__ += ["list_all_schedules", "pause_any_schedule"]
__all__ += ["ACTIONS", "audit_entries", "record"]
