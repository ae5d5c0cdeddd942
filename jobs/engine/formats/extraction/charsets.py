"""Text out of bytes whose encoding is named beside them, as mails and web pages do, often wrongly."""

from __future__ import annotations

import codecs
import re
from email.header import decode_header

from jobs.engine.formats.tables import encodings

# Names by which programs mean the wider encoding, as the Encoding Standard of the WHATWG has it.
WIDER = {
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **{"euc_kr": "cp949", "shift_jis": "cp932", "big5": "big5hkscs", "iso2022_jp": "iso2022_jp_ext"},
    **{"iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874"},
}
NAMES = {
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "windows-874": "cp874",
    "iso-8859-8-i": "iso8859-8",
    "x-mac-roman": "mac_roman",
}
_DECLARED = re.compile(rb"<(?:meta\b[^>]*\bcharset|[?]xml\b[^>]*\bencoding) *= *[\"']? *([\w.:-]+)", re.I)
MOST_WRONG = 0.1  # of what is not ASCII, where the name is believed
_RAW = re.compile("[\udc80-\udcff]+")  # bytes that were not ASCII, as the email package keeps them
_BROKEN = re.compile(
    "[\ufffd\x80-\x9f\udc80-\udcff]|=[?]"
)  # letters that are none, and encoded words that were not read


def text_of(raw: bytes, label: str | None) -> str:
    """The text in the encoding of that name; in another one, where the name is unknown, ASCII, or cannot be right."""
    codec = _codec(label)
    if codec:
        text = raw.decode(codec, "replace")
        if text.count("\ufffd") <= MOST_WRONG * sum(letter > "\x7f" for letter in text):
            return text
    return _utf8(raw) or raw.decode(encodings.guess([raw]) or "cp1252", "replace")


def declared(page: bytes) -> str | None:
    """The encoding that a page of HTML or XML names in itself."""
    found = _DECLARED.search(page[:4_000])
    return found[1].decode() if found else None


def is_broken(text: str) -> bool:
    """Whether letters of this text were read in a wrong encoding."""
    return _BROKEN.search(text) is not None


def decoded(raw: str) -> str:
    """A header or a parameter as text: of encoded words, also where they may not stand, or of bare bytes of any encoding."""
    text = text_of(raw.encode("utf-8", "surrogateescape"), None) if _RAW.search(raw) else raw
    if "=?" not in text:
        return text
    try:
        return "".join(_part(*part) for part in decode_header(text))
    except ValueError:  # base64 of no possible length
        return text


def _part(written: bytes | str, label: str | None) -> str:
    if isinstance(written, str):
        return written
    return text_of(written, label) if label else written.decode("raw-unicode-escape")


def _codec(label: str | None) -> str | None:
    plain = (label or "").strip(" '\"").lower()
    try:
        name = codecs.lookup(NAMES.get(plain, plain)).name
        b"".decode(name)  # raises LookupError for a codec that is not of text, such as base64
    except (LookupError, ValueError):
        return None
    return None if name in ("ascii", "undefined", "idna", "punycode") else WIDER.get(name, name)


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
