"""A real SMTP server that misbehaves by the address it is asked to take mail for.

    with MailServer() as server:
        environment(SMTP_URL=server.url)

The local part says what happens, with anything after a dash to tell addresses apart: `busy` is put off once and then taken,
`later` always put off, `no` refused, `refused` refused after the message was sent, `hang` gets no answer after it, `cut` has
the connection closed after it, `shut` before it, once.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections import Counter
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class MailServer:
    """`messages` are those that it said it took, `seen` counts every message whose last byte came, by address."""

    def __init__(
        self,
        *,
        latency: float = 0.0,
        utf8: bool = True,
        user: str = "",
        password: str = "",
        tls: str = "",
        certificate: Path | None = None,
    ):
        self.latency = latency
        self.messages: list[EmailMessage] = []
        self.sources: list[bytes] = []  # of the same, as they came
        self.seen: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self.encrypted = 0  # messages that came encrypted
        self._utf8, self._login = utf8, (user, password)
        self._tls, self._context = tls, _context(certificate) if certificate else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> MailServer:
        self._thread.start()
        wrapped = self._context if self._tls == "wrapped" else None
        listening = self._loop.create_server(self._protocol, "127.0.0.1", 0, ssl=wrapped)
        made = asyncio.run_coroutine_threadsafe(listening, self._loop)
        self._server = made.result(10)
        port = self._server.sockets[0].getsockname()[1]
        who = "{}:{}@".format(*self._login) if self._login[0] else ""
        scheme = "smtps" if wrapped else "smtp"
        self.url = f"{scheme}://{who}127.0.0.1:{port}?timeout=2"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.messages if address in str(message["To"])]

    # What aiosmtpd calls.

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        what = address.split("@")[0].split("-")[0]
        self.asked[address] += 1
        if what == "later" or (what == "busy" and self.asked[address] == 1):
            return "451 4.7.1 Try again later"
        if what == "no":
            return "550 5.1.1 No such user here"
        if what == "shut" and self.asked[address] == 1:
            server.transport.abort()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        (address,) = envelope.rcpt_tos
        what = address.split("@")[0].split("-")[0]
        self.seen[address] += 1
        self.encrypted += server.transport.get_extra_info("ssl_object") is not None
        await asyncio.sleep(self.latency)
        if what == "hang":
            await asyncio.sleep(3_600)
        if what == "cut":
            server.transport.abort()
            return "250 nobody hears this"
        if what == "refused":
            return "554 5.7.1 This looks like spam"
        self.sources.append(envelope.original_content or b"")
        self.messages.append(message_from_bytes(envelope.original_content, policy=policy.default))  # type: ignore[arg-type]
        return f"250 taken as {len(self.messages)}"

    def _protocol(self) -> SMTP:
        self.connections += 1
        login = {"auth_required": True, "auth_require_tls": False} if self._login[0] else {}
        return SMTP(
            self,
            hostname="mail.test",
            enable_SMTPUTF8=self._utf8,
            tls_context=self._context if self._tls == "starttls" else None,
            loop=self._loop,
            authenticator=self._authenticate,
            **login,  # type: ignore[arg-type]
        )

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        told = (data.login.decode(), data.password.decode())
        return AuthResult(success=told == self._login, handled=False)

    async def _close(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(0.05)


def _context(path: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that nobody vouches for but itself, kept with its key in this file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    signed = made.add_extension(here, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + signed.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
