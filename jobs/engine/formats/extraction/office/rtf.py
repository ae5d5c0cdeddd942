"""RTF for pandoc, which knows neither code pages nor what stands in place of a letter that older programs cannot show.

All letters that are not ASCII are written in UTF-8, which pandoc takes. What was deleted while changes were tracked is hidden.
Headers and footers, which pandoc leaves out, come at the end.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

_TOKEN = re.compile(
    rb"\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<word>[a-zA-Z]+)(?P<number>-?[0-9]+)? ?|\\(?P<sign>.)|(?P<brace>[{}])|(?P<text>[^\\{}]+)",
    re.S,
)
_ESCAPED = re.compile(rb"[\\{}]")
_BREAKS = re.compile(rb"[\r\n]+")
_CHARSETS = {
    **{77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "big5hkscs", 161: "cp1253"},
    **{162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874"},
    **{238: "cp1250", 254: "cp437", 255: "cp850"},
}
_PROGRAMS = {b"mac": "mac_roman", b"pc": "cp437", b"pca": "cp850"}
_ASIDE = {b"header", b"headerl", b"headerr", b"headerf", b"footer", b"footerl", b"footerr", b"footerf"}
_WIDE = ("cp932", "cp949", "johab", "gb18030", "big5hkscs")


@dataclass
class _Group:
    """What holds up to the closing brace. begin: where its output begins."""

    codec: str
    instead: int = 1  # how many letters follow a \\u in its place
    begin: int = 0
    is_fonts: bool = False
    is_aside: bool = False


@dataclass
class _Rewriter:
    out: list[bytes] = field(default_factory=list)
    aside: list[bytes] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=lambda: [_Group("cp1252")])
    fonts: dict[int, str] = field(default_factory=dict)
    base: str = "cp1252"
    font: int = 0
    letters: bytes = b""  # in the encoding of the font
    high: int = 0  # the first half of a letter beyond 16 bits
    skip: int = 0

    @property
    def group(self) -> _Group:
        return self.groups[-1]

    def text(self, written: bytes) -> None:
        written = _BREAKS.sub(b"", written)
        while written and self.skip:
            written, self.skip = written[1:], self.skip - 1
        if self.letters and written and self._waits():
            self.letters, written = self.letters + written[:1], written[1:]
        if not written:
            return
        if written.isascii():
            self.flush()
            self.out.append(written)
        else:
            self.letters += written

    def letter(self, byte: int) -> None:
        if self.skip:
            self.skip -= 1
        elif byte < 128 and not self._waits():
            self.flush()
            self.out.append(_ESCAPED.sub(rb"\\\g<0>", bytes([byte])))
        else:
            self.letters += bytes([byte])

    def sign(self, written: bytes) -> None:
        """An escaped brace or backslash, which can be the second half of a letter; or a control symbol."""
        if self._waits():
            self.letters += written[1:]
        else:
            self.flush()
            self.out.append(written)

    def flush(self) -> None:
        """Write the letters that were gathered."""
        gathered, self.letters = self.letters, b""
        if gathered:
            self.out.append(_ESCAPED.sub(rb"\\\g<0>", gathered.decode(self.group.codec, "replace").encode()))

    def unicode(self, number: int) -> None:
        self.flush()
        number, self.skip = number % 65536, self.group.instead
        if 0xD800 <= number < 0xDC00:
            self.high = number
            return
        if 0xDC00 <= number < 0xE000 and self.high:
            number = 0x10000 + (self.high - 0xD800) * 0x400 + number - 0xDC00
        self.high = 0
        self.out.append(_ESCAPED.sub(rb"\\\g<0>", chr(number).encode(errors="replace")))

    def brace(self, sign: bytes) -> None:
        self.flush()
        self.skip = 0
        if sign == b"{":
            self.groups.append(replace(self.group, begin=len(self.out), is_aside=False))
            self.out.append(b"{")
        elif len(self.groups) > 1:
            self.out.append(b"}")
            closed = self.groups.pop()
            if closed.is_aside:
                self.aside.append(b"".join(self.out[closed.begin :]))
                del self.out[closed.begin :]

    def word(self, name: bytes, number: int | None, written: bytes) -> None:
        self.flush()
        self.skip = 0
        if name == b"uc":
            self.group.instead = number or 0
            return
        if name in _ASIDE and len(self.out) == self.group.begin + 1:
            self.group.is_aside = True
            return
        if name == b"deleted":
            written = written.replace(b"deleted", b"v")
        self._encode(name, number)
        self.out.append(written)

    def _encode(self, name: bytes, number: int | None) -> None:
        """What a word says of the encoding of the letters behind it."""
        if name == b"ansicpg":
            self.base = self.group.codec = _known(f"cp{number}") or self.base
        elif name in _PROGRAMS:
            self.base = self.group.codec = _PROGRAMS[name]
        elif name == b"fonttbl":
            self.group.is_fonts = True
        elif name == b"f" and self.group.is_fonts:
            self.font = number or 0
        elif name in (b"fcharset", b"cpg") and self.group.is_fonts:
            codec = _CHARSETS.get(number or 0) if name == b"fcharset" else _known(f"cp{number}")
            if codec:
                self.fonts[self.font] = self.group.codec = codec
        elif name == b"f":
            self.group.codec = self.fonts.get(number or 0, self.base)
        elif name == b"plain":
            self.group.codec = self.base

    def _waits(self) -> bool:
        """Whether the last of the letters is the first half of one of two bytes."""
        if self.group.codec not in _WIDE or not self.letters:
            return False
        decoder = codecs.getincrementaldecoder(self.group.codec)("replace")
        decoder.decode(self.letters)
        return bool(decoder.getstate()[0])


def readable(source: Path, target: Path, asides: bool = True) -> None:
    """Write the document for pandoc. asides: headers and footers come at its end."""
    data = source.read_bytes()
    rewriter, at = _Rewriter(), 0
    while found := _TOKEN.match(data, at):
        at = found.end()
        if found["hex"]:
            rewriter.letter(int(found["hex"], 16))
        elif found["word"]:
            name, number = found["word"], int(found["number"][:9]) if found["number"] else None
            if name == b"u" and number is not None:
                rewriter.unicode(number)
            elif name == b"bin":
                at += max(number or 0, 0)
            else:
                rewriter.word(name, number, found[0])
        elif found["sign"]:
            rewriter.sign(found[0])
        elif found["brace"]:
            rewriter.brace(found[0])
        else:
            rewriter.text(found[0])
    rewriter.flush()
    body = b"".join(rewriter.out).rstrip().removesuffix(b"}")
    end = b"".join(b"\\par\\pard " + one for one in dict.fromkeys(rewriter.aside)) if asides else b""
    target.write_bytes(body + end + b"}")


def _known(codec: str) -> str | None:
    wider = {
        "cp936": "gb18030",
        "cp950": "big5hkscs",
        "cp10000": "mac_roman",
        "cp1361": "johab",
        "cp65001": "utf-8",
    }.get(codec, codec)
    try:
        return codecs.lookup(wider).name
    except LookupError:
        return None
