"""Messages: whatever the text, it is one message to one person, and addresses are what they seem to be."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.errors import BadInput
from jobs.engine.mail import smtp
from jobs.engine.mail.addresses import parse_address
from jobs.engine.mail.compose import MailAttachment, OutgoingMail, compose_message, message_id, plain_text_of

NORA = parse_address("Nora <nora@example.org>")
HEADERS = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
ODD = ["\r\nBcc: evil@example.net", "\n.\r\n", "\x00", "=?utf-8?q?=0A?=", "a\u2028b", ",<x@y.zz>"]
NASTY = st.text(max_size=80) | st.sampled_from(ODD)


@pytest.mark.parametrize(
    ("written", "is_it"),
    [
        ("ann@example.org", "ann@example.org"),
        (" Ann Lee <Ann.Lee+x@EXAMPLE.org> ", "Ann.Lee+x@example.org"),
        ('"Lee, Ann" <ann@example.org>', "ann@example.org"),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("üwe@example.org", "üwe@example.org"),
        ("ann@mail.local", "ann@mail.local"),
        ("\ufeff ann@example.org\u200b\xa0", "ann@example.org"),
        ("mailto:ann@example.org", "ann@example.org"),
        ("Ann <\u200bann@example.org\u2060>", "ann@example.org"),
    ],
)
def test_an_address_is_read_as_people_write_it(written: str, is_it: str) -> None:
    assert str(parse_address(written)) == is_it
    assert parse_address(written).key == parse_address(written.upper() if written.isascii() else written).key


@pytest.mark.parametrize(
    "written",
    [
        "", "@", "ann", "ann@", "@example.org", "ann@example", "ann@exam ple.org", "a b@example.org", ".ann@example.org",
        "ann@-example.org", "ann@example..org", "ann@[127.0.0.1]", "ann@127.0.0.1", "ann@localhost",
        "ann@example.org, bob@example.org", "ann@bob@example.org",
        "ann@example.org;bob@example.org", "ann@example.org\r\nBcc: x@example.org", "Ann <ann@example.org> <bob@example.org>",
        "ann\u200b@example.org", "ann\x00@example.org", f"{'a' * 65}@example.org",
        f"a@{'.'.join(['b' * 62] * 4)}.org",
        "(ann)@example.org", "ann@ex_ample.org", "<>", "ann@例え。",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_a_sentence(written: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_address(written)
    assert error.value.message.endswith((".", "one looks like ann@example.org."))


@given(subject=NASTY, name=NASTY, text=NASTY, file_name=NASTY)
def test_no_text_adds_a_header_or_a_line_of_smtp(subject: str, name: str, text: str, file_name: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    to = parse_address("ann@example.org")
    try:
        made = compose_message(
            OutgoingMail(type(to)(name, to.local, to.domain), NORA, subject, text),
            [MailAttachment(file_name, "", b"x")],
        )
    except BadInput:
        return
    wire = smtp._wire(made)
    assert wire.count(b"\r\n.\r\n") == 1 and wire.endswith(b"\r\n.\r\n")
    assert b"\n" not in wire.replace(b"\r\n", b"") and b"\r" not in wire.replace(b"\r\n", b"")
    read = message_from_bytes(wire, policy=policy.default)
    assert set(read.keys()) <= HEADERS
    assert [address.addr_spec for address in read["To"].addresses] == ["ann@example.org"]


@pytest.mark.parametrize("nasty", ["=?utf-8?q?=0ABcc:_eve@example.org?=", "=??Q?=0A"])
def test_an_encoded_line_break_is_refused(nasty: str) -> None:
    to = parse_address("ann@example.org")
    for letter in (OutgoingMail(type(to)(nasty, to.local, to.domain), NORA, "Hello"), OutgoingMail(to, NORA, nasty)):
        with pytest.raises(BadInput, match="encoded text"):
            compose_message(letter)
    assert nasty not in str(compose_message(OutgoingMail(to, NORA, "Hello", "Hi"), [MailAttachment(nasty, "", b"x")]))


def test_a_message_id_follows_from_what_it_is_about() -> None:
    assert message_id(NORA, "job", "ann") == message_id(NORA, "job", "ann") != message_id(NORA, "job", "bob")
    assert message_id(NORA, "x").endswith("@example.org>")


@pytest.mark.parametrize(
    ("html", "says"),
    [
        ("<p>Dear <b>Ann</b>,</p><p>you &amp; me<br>again</p>", "Dear Ann,\n\nyou & me\nagain\n"),
        ("<style>p{}</style><script>x</script>Hi", "Hi\n"),
        ("<a href='https://example.org'>here</a>", "here (https://example.org)\n"),
        ("<a href='https://example.org'>https://example.org</a>", "https://example.org\n"),
    ],
)
def test_html_alone_also_goes_out_as_text(html: str, says: str) -> None:
    letter = OutgoingMail(parse_address("ann@example.org"), NORA, "Hi", html=html)
    assert plain_text_of(html) == letter.plain == says


def test_a_type_that_is_none_becomes_bytes() -> None:
    given = ("", "nonsense", "message/rfc822", "text/plain; charset=x", "a/b\x00c")
    files: list[Any] = [MailAttachment("a", kind, b"x") for kind in given]
    made = compose_message(OutgoingMail(parse_address("ann@example.org"), NORA, "Hi", "x"), files)
    kinds = [part.get_content_type() for part in made.iter_attachments()]
    assert kinds == ["application/octet-stream"] * 3 + ["text/plain"] + ["application/octet-stream"]
