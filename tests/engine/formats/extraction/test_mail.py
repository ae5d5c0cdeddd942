"""Mails and what is attached to them, and compound files: mails of Outlook, and Office files of before 2007."""

from __future__ import annotations

from base64 import b64encode
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
    b"filename*=utf-8''Gr%F6%DFe.txt": "Größe.txt",  # not the encoding that it names
    "filename=Größe der Daten.txt".encode(): "Größe der Daten.txt",  # blanks without quotes
    b'filename="../x/evil/a.txt"': "a.txt",
    b"filename*=iso-2022-jp''%1B$B2q5D%1B(B.txt": "会議.txt",  # breaks off
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


HEADERS_AS_THEY_COME = {
    b"=?utf-8?B?5p2x5Lqs?= =?utf-8?B?44Gu5pyd?=": "東京の朝",
    b"=?utf-8?Q?Gr=C3?=\n =?utf-8?Q?=BC=C3=9Fe?=": "Grüße",  # a letter in two words
    b"=?gb2312?B?" + b64encode("镕基会议".encode("gbk")) + b"?=": "镕基会议",
    b"=?shift_jis?B?" + b64encode("①髙橋㈱".encode("cp932")) + b"?=": "①髙橋㈱",
    b"=?iso-8859-1?Q?=80_100_=96_=84Preis=93?=": "€ 100 – „Preis“",
    b"=?x-unknown?Q?Gr=FC=DFe?=": "Grüße",
    b"=?ISO-2022-JP?B?" + b64encode("会議のお知らせ".encode("iso-2022-jp")) + b"?=": "会議のお知らせ",
}
BODIES = {
    b"charset=gb2312\n\n" + "朱镕基参加了会议".encode("gbk"): "朱镕基参加了会议",
    b"charset=ks_c_5601-1987\n\n" + "안녕하세요 똠방각하".encode("cp949"): "안녕하세요 똠방각하",
    b"charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n=84Hallo=93 =96 =80 5": "„Hallo“ – € 5",
    b"charset=utf-8\n\n" + "Grüße aus Köln, mit vielen Grüßen".encode("latin-1"): "Grüße aus Köln, mit vielen Grüßen",
    b"charset=\"'utf-8'\"\nContent-Transfer-Encoding: base64\n\n" + b64encode("Grüße".encode()): "Grüße",
    b"charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    + b64encode("Grüße".encode())[:-1]
    + b"\n\n-- of a list --": "Grüße-- of a list --",
    b"charset=utf-8; format=flowed; delsp=yes\n\nA long \nline.\n-- \nAda": "A longline.\n-- \nAda",
}


def test_headers_and_bodies_whose_encoding_is_named_wrongly(tmp_path: Path) -> None:
    for subject, title in HEADERS_AS_THEY_COME.items():
        assert read(tmp_path, HEAD.replace(b"Bill", subject) + b"\nx", "x.eml").title == title
    for body, text in BODIES.items():
        found = read(tmp_path, HEAD + b"Content-Type: text/plain; " + body, "x.eml").text
        assert found.split("\n\n", 1)[1] == text


def mixed(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    between = b"".join(b"--x\n" + part + b"\n" for part in parts)
    return HEAD + b"Content-Type: multipart/" + kind + b'; boundary="x"\n\n' + between + b"--x--\n"


def test_bodies_of_several_parts(tmp_path: Path) -> None:
    plain, html = b"Content-Type: text/plain\n\n", b"Content-Type: text/html\n\n"
    found = read(tmp_path, mixed(plain + b"BODY-1", plain + b"FOOTER-2", html + b"<p>LIST-3</p>"), "x.eml")
    assert found.text.endswith("BODY-1\n\nFOOTER-2\n\nLIST-3") and found.meta["attachments"] == []
    either = mixed(plain + b" \n", html + b"<p>ONLY-1</p>", kind=b"alternative")
    assert read(tmp_path, either, "x.eml").text.endswith("\n\nONLY-1")
    both = mixed(plain + b"TEXT-1", html + b"<p>HTML-2</p>", kind=b"alternative")
    assert read(tmp_path, both, "x.eml").text.endswith("\n\nTEXT-1")
    forwarded = b"Content-Type: message/rfc822; name=f.eml\nContent-Transfer-Encoding: base64\n\n" + b64encode(
        HEAD + b"\nINNER-1"
    )
    assert read(tmp_path, mixed(plain + b"x", forwarded), "x.eml").text.endswith("INNER-1")


def test_mailboxes_marks_and_encrypted_mails(tmp_path: Path) -> None:
    mark = b"From a@example.org Mon Mar  2 10:00:00 2026\n"
    box = read(tmp_path, mark + HEAD + b"\nONE-1\n\n" + mark + HEAD + b"\nTWO-2\n", "x.mbox")
    assert box.text.count("# Bill\n\nFrom: Ada") == 2 and box.text.endswith("TWO-2") and box.meta == {"mails": 2}
    assert read(tmp_path, b"\xef\xbb\xbf" + HEAD + b"\nx", "x.eml").title == "Bill"
    closed = read(tmp_path, HEAD + b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nMIAG", "x.eml")
    assert closed.note.startswith("The mail is encrypted") and "MIAG" not in closed.text


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
