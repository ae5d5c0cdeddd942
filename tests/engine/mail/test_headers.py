"""Header fields in the bytes that a mail server gets, read as an old mail program reads them: without Python's new parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses

import pytest

from jobs.engine.mail import smtp
from jobs.engine.mail.addresses import Address, parse_address
from jobs.engine.mail.compose import MailAttachment, OutgoingMail, compose_message
from tests.mail_server import MailServer

NORA = parse_address("Nora <nora@example.org>")
TEXTS = [
    "For Ann",
    "Umsatz – März",
    "東京の売上 " * 12,
    "😀 " * 40,
    "Lovelace, Ada " * 12,
    'a "quoted" \\ back (remark) <x@y.zz>; 100 % ' * 3,
    "Grüße, (y) \\ = ? _ " * 8,
    "مرحبا بالعالم " * 10,
    "x" * 255,
    "ü" * 255,
]


@pytest.fixture
def delivered(environment: Callable[..., None]) -> Iterator[Callable[..., bytes]]:
    """Sends a message through a real SMTP server; the bytes that came."""
    with MailServer() as server:
        environment(SMTP_URL=server.url)
        sender = smtp.sender("owner")

        def deliver(letter: OutgoingMail, *attachments: MailAttachment) -> bytes:
            sender.send(compose_message(letter, attachments))
            return server.sources[-1]

        yield deliver
        sender.close()


def unfolded(message: Message, name: str) -> str:
    return str(message[name]).replace("\r\n", "")


def decoded(text: str) -> str:
    return "".join(
        part.decode(charset or "ascii") if isinstance(part, bytes) else part for part, charset in decode_header(text)
    )


@pytest.mark.parametrize("text", [text.strip() for text in TEXTS])
def test_subjects_names_and_attachments_of_any_script(delivered: Callable[..., bytes], text: str) -> None:
    to = Address(text, "ann", "example.org")
    source = delivered(OutgoingMail(to, NORA, text, "x", reply_to=to), MailAttachment(f"{text[:90]}.txt", "", b"x"))
    assert source.isascii() and all(len(line) < 998 for line in source.split(b"\r\n"))
    message = message_from_bytes(source)
    assert decoded(unfolded(message, "Subject")) == text
    for name in ("To", "Reply-To"):
        ((shown, address),) = getaddresses([unfolded(message, name)])
        assert (decoded(shown), address) == (text, "ann@example.org")
    assert [part.get_filename() for part in message.walk() if part.get_filename()]


@pytest.mark.parametrize("length", [20, 50, 51, 52, 60, 76, 77, 78, 79, 300, 900])
def test_an_address_to_unsubscribe_is_never_encoded_or_folded(delivered: Callable[..., bytes], length: int) -> None:
    link = f"https://example.org/{'a1%-' * 225}"[:length]
    source = delivered(OutgoingMail(NORA, NORA, "Hi", "x", unsubscribe=link, one_click=True))
    assert f"\r\nList-Unsubscribe: <{link}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode() in source


def test_long_addresses_are_never_encoded(delivered: Callable[..., bytes]) -> None:
    long = parse_address(f"Jürgen <{'a' * 64}@{'b' * 60}.{'c' * 60}.example.org>")
    source = delivered(OutgoingMail(long, long, "Hi", "x", message_id=f"<{'d' * 60}@{long.domain}>"))
    assert source.count(f"<{long}>\r\n".encode()) == 2
    assert f"\r\nMessage-ID: <{'d' * 60}@{long.domain}>\r\n".encode() in source


def test_an_address_outside_ascii_keeps_its_letters(delivered: Callable[..., bytes]) -> None:
    source = delivered(OutgoingMail(parse_address("Jürgen <jürgen@exämple.org>"), NORA, "Grüße", "x"))
    assert "<jürgen@xn--exmple-cua.org>\r\n".encode() in source
    assert decoded(unfolded(message_from_bytes(source), "Subject")) == "Grüße"


def test_legwork_tells_of_a_job_whatever_is_in_its_name(environment: Callable[..., None]) -> None:
    with MailServer() as server:
        environment(SMTP_URL=server.url)
        smtp.send("ann@example.org", "Succeeded: a\nb\u202ec =?utf-8?q?x?= 東京", "x", owner="owner")
        assert (
            decoded(unfolded(message_from_bytes(server.sources[0]), "Subject"))
            == "Succeeded: a b c = ?utf-8?q?x?= 東京"
        )
