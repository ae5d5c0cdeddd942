"""Mails and what is attached to them, and compound files: mails of Outlook, and Office files of before 2007."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from jobs.engine.errors import BadInput
from tests.engine.formats.extraction.made import compound, docx, paragraph, read

HEAD = b"From: Ada <a@example.org>\nTo: b@example.org\nSubject: Bill\n"


def test_attachments_are_read_below_the_mail(tmp_path: Path) -> None:
    inner = EmailMessage()
    inner["From"], inner["To"], inner["Subject"] = "c@example.org", "a@example.org", "Inner"
    inner.set_content("INNER-3")
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "Outer"
    message.set_content("BODY-1")
    message.add_attachment(docx(paragraph("OFFER-2")), "application", "msword", filename="Übersicht, Mai.docx")
    message.add_attachment(inner)
    message.add_attachment(b"\0" * 99, "application", "octet-stream", filename="x.bin")
    message.add_attachment(b"x", "application", "pkcs7-signature", filename="smime.p7s")
    found = read(tmp_path, bytes(message), "x.eml")
    order = [
        found.text.index(word)
        for word in ("BODY-1", "# Attachment: Übersicht, Mai.docx", "OFFER-2", "Inner.eml", "INNER-3")
    ]
    assert order == sorted(order)
    assert found.meta["attachments"] == ["Übersicht, Mai.docx", "Inner.eml", "x.bin", "smime.p7s"]
    assert found.note.startswith("The attachment “x.bin” was not read: This is not text") and "p7s" not in found.note


NAMES = {
    b"filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt": "Grüße.txt",
    b"filename*0*=UTF-8''Gr%C3%BC; filename*1*=%C3%9Fe.txt": "Grüße.txt",
    b'filename="=?UTF-8?Q?Gr=C3=BC=C3=9Fe=2Etxt?="': "Grüße.txt",  # where RFC 2047 forbids it
    b'filename="=?utf-8?b?5p2x5Lqs?=.txt"': "東京.txt",
    'filename="Grüße.txt"'.encode(): "Grüße.txt",  # bare bytes
    'filename="отчёт продажи.txt"'.encode("cp1251"): "отчёт продажи.txt",
}


@pytest.mark.parametrize(("parameter", "name"), NAMES.items())
def test_names_of_attachments_however_they_are_written(tmp_path: Path, parameter: bytes, name: str) -> None:
    part = b"--x\nContent-Type: text/plain\nContent-Disposition: attachment; " + parameter + b"\n\nTEXT\n"
    data = HEAD + b'Content-Type: multipart/mixed; boundary="x"\n\n--x\n\nbody\n' + part + b"--x--\n"
    assert read(tmp_path, data, "x.eml").meta["attachments"] == [name]


@pytest.mark.parametrize(
    "subject",
    ["Grüße aus Köln".encode(), "Grüße aus Köln".encode("cp1252"), b"=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?="],
)
def test_subjects_and_bodies_in_bare_bytes(tmp_path: Path, subject: bytes) -> None:
    body = "Die Lampe ist größer als früher.".encode(
        "utf-8" if b"=?" in subject else "cp1252" if b"\xfc" in subject else "utf-8"
    )
    found = read(tmp_path, HEAD.replace(b"Bill", subject) + b"\n" + body, "x.eml")
    assert found.title == "Grüße aus Köln" and "größer als früher" in found.text


def test_mails_of_outlook(tmp_path: Path) -> None:
    def wide(text: str) -> bytes:
        return text.encode("utf-16-le")

    streams = {
        "__properties_version1.0": b"",
        "__substg1.0_0037001F": wide("Grüße"),
        "__substg1.0_1000001F": wide("BODY-1"),
        "__substg1.0_0C1A001F": wide("Ada"),
        "__substg1.0_0C1F001F": wide("a@example.org"),
        "__substg1.0_0E04001F": wide("Bert"),
        "__attach_version1.0_#00000000/__substg1.0_3707001F": wide("Angebot.txt"),
        "__attach_version1.0_#00000000/__substg1.0_37010102": b"OFFER-2".ljust(4096, b"\n"),
    }
    found = read(tmp_path, compound(streams), "x.msg")
    assert (found.title, found.meta["attachments"]) == ("Grüße", ["Angebot.txt"])
    assert found.text.startswith(
        "From: Ada <a@example.org>\nTo: Bert\n\nBODY-1\n\n# Attachment: Angebot.txt\n\nOFFER-2"
    )


@pytest.mark.parametrize(
    ("stream", "name", "said"),
    [
        ("WordDocument", "x.doc", "a Word document in the format of before 2007 (DOC)"),
        ("PowerPoint Document", "x.ppt", "a PowerPoint presentation in the format of before 2007 (PPT)"),
        ("EncryptedPackage", "x.xlsx", "This Excel workbook is locked with a password"),
        ("EncryptedPackage", "x.docx", "This Word document is locked with a password"),
        ("EncryptedPackage", "x.pptx", "This PowerPoint presentation is locked with a password"),
        ("EncryptedPackage", "x", "This Office file is locked with a password"),
        ("Anything", "x", "an old Office or Windows file of a type that is not read"),
    ],
)
def test_what_is_not_read_is_said_for_what_it_is(tmp_path: Path, stream: str, name: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(tmp_path, compound({stream: b"x"}), name)
    assert said in refused.value.message


def test_a_locked_xls_is_not_called_broken(tmp_path: Path) -> None:
    records = b"\x09\x08\x04\x00\0\6\5\0" + b"\x2f\x00\x04\x00" + b"\0" * 4
    with pytest.raises(BadInput, match="This Excel workbook is locked"):
        read(tmp_path, compound({"Workbook": records}), "x.xls")
