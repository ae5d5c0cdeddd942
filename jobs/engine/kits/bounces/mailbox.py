"""The mailbox that bounces come to: IMAP_URL."""

from __future__ import annotations

import imaplib
import ssl
import threading
from types import TracebackType
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from jobs.engine import settings
from jobs.engine.errors import JobFailed, Transient
from jobs.engine.settings import is_loopback

SECONDS = 30.0
MOST_BYTES = 300_000  # of a mail: notices say what they have to say at their beginning

After = Literal["seen", "delete", "leave"]


def is_configured() -> bool:
    return bool(settings.current().imap_url)


class Mailbox:
    """`with Mailbox() as mailbox`: opens the folder that IMAP_URL names. Raises Transient, JobFailed."""

    def __init__(self) -> None:
        parts = urlsplit(settings.current().imap_url)
        self.host = parts.hostname or ""
        self._tls = parts.scheme == "imaps"
        self._port = parts.port or (993 if self._tls else 143)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._folder = unquote(parts.path.strip("/")) or "INBOX"
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        try:
            self._imap = self._connected()
        except imaplib.IMAP4.abort as error:
            raise Transient(f"The mailbox at {self.host} broke off: {error}.", reason="mailbox_away") from None
        except (imaplib.IMAP4.error, ssl.SSLCertVerificationError) as error:
            raise JobFailed(f"The mailbox at {self.host} cannot be opened: {_said(error)}.", reason="mailbox") from None
        except OSError as error:
            raise Transient(f"The mailbox at {self.host} cannot be reached: {error}.", reason="mailbox_away") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._imap.shutdown()

    def unseen(self, most: int) -> list[str]:
        """The numbers of the newest mails that nobody has read. They stay the same."""
        found = self._asked("SEARCH", "UNSEEN")[0] or b""
        return found.decode().split()[-most:] if isinstance(found, bytes) else []

    def mail(self, number: str) -> bytes:
        """The beginning of a mail; empty if it is gone."""
        answer = self._asked("FETCH", number, f"(BODY.PEEK[]<0.{MOST_BYTES}>)")
        return next((part[1] for part in answer if isinstance(part, tuple)), b"")

    def settle(self, number: str, after: After) -> None:
        """What happens to a mail that was read."""
        if after != "leave":
            self._asked("STORE", number, "+FLAGS.SILENT", r"(\Seen \Deleted)" if after == "delete" else r"(\Seen)")

    def expunge(self) -> None:
        """Remove the mails that are to be deleted."""
        self._imap.expunge()

    def key(self, number: str) -> str:
        """What names this mail for ever."""
        return f"{self._validity}-{number}"

    def _connected(self) -> imaplib.IMAP4:
        context = ssl.create_default_context()
        imap = (
            imaplib.IMAP4_SSL(self.host, self._port, ssl_context=context, timeout=SECONDS)
            if self._tls
            else imaplib.IMAP4(self.host, self._port, timeout=SECONDS)
        )
        try:
            if not self._tls and "STARTTLS" in imap.capabilities:
                imap.starttls(context)
            elif not self._tls and not is_loopback(self.host):
                raise imaplib.IMAP4.error("it offers no encryption, so the password would be sent in clear text")
            imap.login(self._user, self._password)
            state, _ = imap.select(f'"{self._folder}"')
            if state != "OK":
                raise imaplib.IMAP4.error(f"there is no folder {self._folder}")
            found = imap.response("UIDVALIDITY")[1][0]
            self._validity = found.decode() if isinstance(found, bytes) else "0"
        except BaseException:
            imap.shutdown()
            raise
        return imap

    def _asked(self, *command: str) -> list[bytes | tuple[bytes, bytes] | None]:
        try:
            with self._lock:
                state, answer = self._imap.uid(*command)
        except (imaplib.IMAP4.error, OSError) as error:
            raise Transient(f"The mailbox at {self.host} broke off: {_said(error)}.", reason="mailbox_away") from None
        if state != "OK":
            raise JobFailed(f"The mailbox at {self.host} refuses {command[0]}.", reason="mailbox")
        return list(answer)


def _said(error: Exception) -> str:
    text = error.args[0] if error.args else error
    return " ".join((text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).split())[:200].rstrip(
        "."
    )
