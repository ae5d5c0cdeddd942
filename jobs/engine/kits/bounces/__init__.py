"""Bounces and complaints: reading a mailbox, understanding the notices, finding the mailing each is about."""

from __future__ import annotations

from jobs.engine.kits.bounces.mailbox import Mailbox, is_configured
from jobs.engine.kits.bounces.reading import Notice, read_notices

__all__ = [
    "Mailbox",
    "Notice",
    "is_configured",
    "mailings",  # imported explicitly: it needs the database, which the child does not load
    "read_notices",
]
