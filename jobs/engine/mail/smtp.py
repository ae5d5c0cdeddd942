"""Sends a message to the server at SMTP_URL, or to the outbox if it is not set.

SMTP_URL is smtp://user:password@host:587 (STARTTLS if the server offers it) or smtps://host:465 (TLS from the start). Options
in the query: `starttls=always` or `never`, `from=`, the address of Legwork's own messages, and `timeout=` in seconds.

After Transient and BadInput the message was not accepted. OutcomeUnknown: it may have been, because the connection broke after
its first byte was sent.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from jobs.engine import settings
from jobs.engine.errors import BadInput, JobFailed, OutcomeUnknown, SettingsError, Transient
from jobs.engine.mail import addresses, compose, outbox, signing
from jobs.engine.mail.outbox import SmtpReply
from jobs.engine.settings import is_loopback

SECONDS = 30.0
GO_ON = 354
BUSY = 421  # the server closes the connection after it

NOT_SET_UP = "mail is not set up: the messages go to the outbox and are not sent"


class Sender(Protocol):
    """Sends one message after another. Not thread-safe."""

    def open(self) -> None:
        """Connect now instead of at the first message. Raises Transient, JobFailed."""

    def send(self, message: EmailMessage) -> SmtpReply:
        """Send a message with one address in To. Raises Transient, BadInput, JobFailed, OutcomeUnknown."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class Server:
    """A parsed SMTP_URL. tls: wrapped, always, auto, never."""

    host: str
    port: int
    user: str
    password: str
    tls: str
    seconds: float
    sender: str


def is_configured() -> bool:
    return bool(settings.current().smtp_url)


def delivery_target() -> str:
    """The host that messages go to, or "the outbox"."""
    server = _server()
    return server.host if server else "the outbox"


def sender(owner: str, job_id: UUID | None = None) -> Sender:
    """A new sender, which connects at its first message. owner: of the outbox."""
    server = _server()
    return SmtpSender(server) if server else outbox.OutboxSender(owner, job_id)


def send(to: str, subject: str, text: str, *, owner: str, html: str = "", job_id: UUID | None = None) -> SmtpReply:
    """Send a message to one person from Legwork's own address; its subject may have any text. Raises what Sender.send raises."""
    letter = compose.OutgoingMail(addresses.parse_address(to), own_address(), compose.as_line(subject), text, html)
    hand = sender(owner, job_id)
    try:
        return hand.send(compose.compose_message(letter))
    finally:
        hand.close()


def try_connection() -> None:
    """Check that the mail server can be signed in to. Raises Transient, JobFailed."""
    if server := _server():
        _connected(server).close()


def own_address() -> addresses.Address:
    """The From address of Legwork's own messages. Raises SettingsError."""
    server = _server()
    written = server.sender or (server.user if "@" in server.user else "") if server else ""
    try:
        return addresses.parse_address(written or "Legwork <legwork@localhost.localdomain>")
    except BadInput as error:
        raise SettingsError(f"SMTP_URL has a `from` that cannot be used. {error.message}") from None


def read(url: str) -> Server:
    """Parse an SMTP_URL. Raises SettingsError."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    wrapped = parts.scheme == "smtps"
    tls = query.get("starttls", "auto").lower()
    try:
        port, seconds = parts.port or (465 if wrapped else 587), float(query.get("timeout", SECONDS))
    except ValueError:
        raise SettingsError("SMTP_URL has a port or a time-out that is not a number.") from None
    if not parts.hostname or tls not in ("auto", "always", "never") or not 0 < seconds <= 600:
        raise SettingsError("SMTP_URL must look like smtp://user:password@host:587, with ?starttls=always or never.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(parts.hostname, port, user, password, "wrapped" if wrapped else tls, seconds, query.get("from", ""))


class SmtpSender:
    """Sends messages over one connection, and reconnects when it is lost."""

    def __init__(self, server: Server):
        self.server = server
        self._smtp: smtplib.SMTP | None = None

    def open(self) -> None:
        self._smtp = self._smtp or _connected(self.server)

    def send(self, message: EmailMessage) -> SmtpReply:
        envelope = _envelope(message)
        raw = _wire(message)
        reused = self._smtp is not None
        try:
            return self._deliver(envelope, raw)
        except _ConnectionLost as gone:
            if not reused:
                raise Transient(gone.message, reason="mail_server_away") from gone
        try:  # the server may have closed an idle connection; nothing was sent on it
            return self._deliver(envelope, raw)
        except _ConnectionLost as gone:
            raise Transient(gone.message, reason="mail_server_away") from gone

    def close(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def _deliver(self, envelope: _Envelope, raw: bytes) -> SmtpReply:
        self.open()
        assert self._smtp is not None
        smtp = self._smtp
        try:
            self._announce(smtp, envelope)
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self.close()
            raise _ConnectionLost(f"The mail server {self.server.host} broke off: {_why(error)}.") from error
        return self._transfer(smtp, envelope, raw)

    def _announce(self, smtp: smtplib.SMTP, envelope: _Envelope) -> None:
        """Send MAIL, RCPT and DATA. If this raises, the message was not sent."""
        smtp.command_encoding = "ascii"
        options = ["SMTPUTF8"] if envelope.utf8 else []
        steps: list[tuple[Callable[[], tuple[int, bytes]], tuple[int, ...]]] = [
            (lambda: smtp.mail(envelope.sender, options), (250,)),
            (lambda: smtp.rcpt(envelope.to), (250, 251)),
            (lambda: smtp.docmd("DATA"), (GO_ON,)),
        ]
        for step, wanted in steps:
            reply = _reply(*_supported(step, envelope))
            if reply.code not in wanted:
                self._after_refusal(smtp, reply)
                raise _refusal(reply, envelope)

    def _transfer(self, smtp: smtplib.SMTP, envelope: _Envelope, raw: bytes) -> SmtpReply:
        try:
            smtp.send(raw)
            reply = _reply(*smtp.getreply())
        except OSError as error:  # includes smtplib's own errors
            self.close()
            raise OutcomeUnknown(
                f"The mail server {self.server.host} did not say whether it accepted the message: {_why(error)}. "
                "It may have been sent, so it is not sent again automatically.",
                reason="no_reply",
            ) from error
        if reply.code != 250:
            self._after_refusal(smtp, reply)
            raise _refusal(reply, envelope)
        return reply

    def _after_refusal(self, smtp: smtplib.SMTP, reply: SmtpReply) -> None:
        """Reset the connection for the next message, or close it."""
        try:
            if reply.code == BUSY or smtp.rset()[0] != 250:
                self.close()
        except OSError:
            self.close()
        if reply.code == BUSY:
            raise _ConnectionLost(f"The mail server {self.server.host} closed the connection: {reply}.")


class _ConnectionLost(Exception):
    """The connection was lost before a message was sent on it."""

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class _Envelope:
    sender: str
    to: str

    @property
    def utf8(self) -> bool:
        return not (self.sender.isascii() and self.to.isascii())


def _server() -> Server | None:
    url = settings.current().smtp_url
    return read(url) if url else None


def _connected(server: Server) -> smtplib.SMTP:
    """A new connection. Raises Transient if the server does not answer, JobFailed if it refuses the sign-in or TLS."""
    try:
        return _signed_in(server)
    except smtplib.SMTPAuthenticationError as error:
        reply = _reply(error.smtp_code, error.smtp_error)
        if error.smtp_code < 500:
            raise Transient(
                f"The mail server {server.host} deferred the sign-in: {reply}.", reason="mail_server_away"
            ) from None
        raise JobFailed(
            f"The mail server {server.host} refuses the name and password of SMTP_URL: {reply}.", reason="mail_sign_in"
        ) from None
    except (ssl.SSLCertVerificationError, smtplib.SMTPNotSupportedError) as error:
        raise JobFailed(
            f"The mail server {server.host} cannot be used safely: {_why(error)}.", reason="mail_tls"
        ) from error
    except OSError as error:
        message = f"The mail server {server.host}:{server.port} cannot be reached: {_why(error)}."
        raise Transient(message, reason="mail_server_away") from error


def _signed_in(server: Server) -> smtplib.SMTP:
    context = ssl.create_default_context()
    ours = socket.gethostname() or "localhost"  # without a host name smtplib looks it up in DNS, which can take long
    smtp: smtplib.SMTP = (
        smtplib.SMTP_SSL(server.host, server.port, ours, timeout=server.seconds, context=context)
        if server.tls == "wrapped"
        else smtplib.SMTP(server.host, server.port, ours, timeout=server.seconds)
    )
    try:
        smtp.ehlo_or_helo_if_needed()
        encrypted = server.tls == "wrapped" or _encrypt(smtp, server, context)
        if server.user:
            if not encrypted and server.tls != "never" and not is_loopback(server.host):
                raise smtplib.SMTPNotSupportedError(
                    "it offers no encryption, so the password would be sent in clear text (?starttls=never allows it)"
                )
            smtp.login(server.user, server.password)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _encrypt(smtp: smtplib.SMTP, server: Server, context: ssl.SSLContext) -> bool:
    if server.tls == "never" or (server.tls == "auto" and not smtp.has_extn("starttls")):
        return False
    smtp.starttls(context=context)
    smtp.ehlo_or_helo_if_needed()
    return True


def _envelope(message: EmailMessage) -> _Envelope:
    (to,) = message["To"].addresses
    (writer,) = message["From"].addresses
    return _Envelope(writer.addr_spec, to.addr_spec)


def _wire(message: EmailMessage) -> bytes:
    """The bytes that follow DATA: signed, with CR LF as the only line ends, and dots at the start of lines escaped."""
    raw = re.sub(rb"\r\n|\r|\n", b"\r\n", message.as_bytes())
    raw = signing.signature(message, raw) + raw
    return re.sub(rb"(?m)^\.", b"..", raw).removesuffix(b"\r\n") + b"\r\n.\r\n"


def _supported(step: Callable[[], tuple[int, bytes]], envelope: _Envelope) -> tuple[int, bytes]:
    try:
        return step()
    except smtplib.SMTPNotSupportedError:
        message = f"The mail server does not accept {envelope.to}: it supports only ASCII before the @."
        raise BadInput(message, reason="refused") from None


def _reply(code: int, text: bytes | str) -> SmtpReply:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return SmtpReply(code, " ".join(words.split())[:500])


def _refusal(reply: SmtpReply, envelope: _Envelope) -> Transient | BadInput:
    if 400 <= reply.code < 500:
        return Transient(f"The mail server deferred the message to {envelope.to}: {reply}", reason="put_off")
    return BadInput(f"The mail server refuses the message to {envelope.to}: {reply}", reason="refused")


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, smtplib.SMTPResponseException):
        return str(_reply(error.smtp_code, error.smtp_error))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return (str(error) or type(error).__name__)[:300].rstrip(".")
