"""DKIM signatures (RFC 6376): the mail server of a recipient sees that the message comes from the domain, unchanged."""

from __future__ import annotations

from email.message import EmailMessage

from jobs.engine import settings
from jobs.engine.errors import JobFailed

# Those of RFC 6376, 5.4.1, and RFC 8058, which asks for those of List-Unsubscribe.
SIGNED = (
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("List-Unsubscribe", "List-Unsubscribe-Post"),
)
RELAXED = (b"relaxed", b"relaxed")


def signs(domain: str) -> bool:
    """Whether mail from this domain is signed."""
    ours = settings.current().dkim_domain
    return bool(ours) and (domain == ours or domain.endswith(f".{ours}"))


def signature(message: EmailMessage, raw: bytes) -> bytes:
    """The header that signs a message, whose bytes end their lines with CR LF; empty if its sender's domain has no key."""
    (sender,) = message["From"].addresses
    if not signs(sender.domain.casefold()):
        return b""
    import dkim

    given = settings.current()
    headers = [name.lower().encode() for name in SIGNED if message[name] is not None]
    try:
        line: bytes = dkim.sign(
            *(raw, given.dkim_selector.encode(), given.dkim_domain.encode(), given.dkim_key.encode()),
            canonicalize=RELAXED,
            include_headers=headers,
        )
    except (dkim.DKIMException, ValueError) as error:
        sentence = f"DKIM_KEY cannot be used to sign mail: {error}. It must be a private RSA key in PEM."
        raise JobFailed(sentence, reason="dkim_key") from None
    return line
