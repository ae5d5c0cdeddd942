"""Which addresses mailings may be from: MAIL_SENDERS. Anybody may be named in Reply-To."""

from __future__ import annotations

from jobs.engine import accounts, settings
from jobs.engine.errors import BadInput
from jobs.engine.mail import smtp
from jobs.engine.mail.addresses import Address, parse_address

SHOWN = 5  # in the sentence that refuses an address


def parse_sender(text: str) -> Address:
    """An address that a mailing may be from. Raises BadInput."""
    sender, allowed = parse_address(text), _allowed()
    if not allowed or sender.key in allowed or f"@{sender.domain}" in allowed:
        return sender
    some = ", ".join(allowed[:SHOWN]) + (", …" if len(allowed) > SHOWN else "")
    raise BadInput(f"Mail cannot be sent from {sender} here. Use {some}, or ask an operator to add it to MAIL_SENDERS.")


def _allowed() -> tuple[str, ...]:
    """Addresses, and domains as @example.org; empty for any.

    Where MAIL_SENDERS is not set and there are accounts, the domain of Legwork's own address: the mail server knows that one.
    """
    if named := settings.current().mail_senders:
        return named
    return (f"@{smtp.own_address().domain}",) if smtp.is_configured() and accounts.any_accounts() else ()
