"""Accounts: sign-in, people, tokens, the audit log."""

from __future__ import annotations

from webapp.accounts import audit, connections, first_account, oidc, own_account, people, sign_in

PAGES = (
    sign_in.blueprint,
    first_account.blueprint,
    oidc.blueprint,
    own_account.blueprint,
    people.blueprint,
    connections.blueprint,
    audit.blueprint,
)
API = ()
