"""Accounts: signing in, people, tokens, the audit log."""
