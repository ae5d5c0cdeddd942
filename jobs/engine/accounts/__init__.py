"""Accounts: who may come in, how, and what they did. The door of this room for the web and for commands.

Rows carry an owner, a text. The first account takes over what was made before there were any: its owner is `local`.
"""

from __future__ import annotations

from jobs.engine.accounts.audit import ACTIONS, entries, record
from jobs.engine.accounts.first_account import new_secret, opens
from jobs.engine.accounts.sessions import (
    Identity,
    by_password,
    by_provider,
    end,
    end_others,
    of_browser,
    sign_ins,
    still,
)
from jobs.engine.accounts.sharing import accept, share, share_of, shared_jobs, unshare
from jobs.engine.accounts.tokens import issue, of_token, revoke, tokens
from jobs.engine.accounts.users import (
    Account,
    add,
    all_accounts,
    change_password,
    change_role,
    exist,
    find,
    resume,
    set_password,
    suspend,
)
from jobs.engine.db.models import ROLES, SCOPES
from jobs.engine.operations.all_schedules import everybodys_schedules, pause_anybodys

__all__ = ["ROLES", "SCOPES", "Account", "Identity"]
__all__ += [
    "add",
    "all_accounts",
    "change_password",
    "change_role",
    "exist",
    "find",
    "resume",
    "set_password",
    "suspend",
]
__all__ += ["by_password", "by_provider", "end", "end_others", "of_browser", "sign_ins", "still"]
__all__ += ["new_secret", "opens"]
__all__ += ["issue", "of_token", "revoke", "tokens"]
__all__ += ["accept", "share", "share_of", "shared_jobs", "unshare"]
__all__ += ["everybodys_schedules", "pause_anybodys"]
__all__ += ["ACTIONS", "entries", "record"]
