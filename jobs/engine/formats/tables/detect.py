"""Detect the type of a file and the encoding of a text, from its first bytes."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.engine.errors import BadInput
from jobs.engine.formats.tables import encodings

ZIP = b"PK\x03\x04"
PARQUET = b"PAR1"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
BIFF = re.compile(rb"\x09[\x00\x02\x04\x08][\x04-\x10]\x00")  # a workbook of before 1993
ACCEPTED = "A table is taken as CSV, TSV, JSON, JSON Lines, XLSX, XLS, XLSB, ODS or Parquet."
JSON_NAMES = ("json", "geojson")
CHUNK = 1 << 20

SIGNATURES = (
    (rb"%PDF-", "a PDF"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|BM....\0\0\0\0|II\*\0|MM\0\*", "an image"),
    (rb"RIFF....WEBP|....ftyp(avif|heic)", "an image"),
    (rb"RIFF....(WAVE|AVI )|ID3|OggS|fLaC|\x1aE\xdf\xa3|....ftyp", "a sound or film"),
    (rb"MZ[^\0]{0,60}\0|\x7fELF|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe", "a program"),
    (rb"PK\x05\x06", "an empty ZIP archive"),
    (
        rb"\x1f\x8b|7z\xbc\xaf\x27\x1c|Rar!\x1a|BZh[1-9]1AY|\xfd7zXZ\0|\x28\xb5\x2f\xfd",
        "a compressed archive; unpack it first",
    ),
    (rb"SQLite format 3\0", "an SQLite database"),
    (rb"ARROW1|FEA1", "an Arrow or Feather file"),
    (rb"\{\\rtf", "an RTF document"),
    (rb"\s*<(!doctype|html|head|body|table|\?xml|svg|!--)", "an HTML or XML page"),
)
BOMS = (  # UTF-32's begins like UTF-16's, so it is looked for first
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"
NO_ENCODINGS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7"}


def is_binary(head: bytes) -> bool:
    """Whether this is one of the formats that are not text."""
    return head.startswith((ZIP, PARQUET, OLE)) or BIFF.match(head) is not None


def refuse_what_is_no_table(head: bytes) -> None:
    """Raise BadInput saying what the file is, where it is something else."""
    if not head.strip(codecs.BOM_UTF8 + b" \t\r\n"):
        raise BadInput("The file is empty.")
    for signature, name in SIGNATURES:
        if re.match(signature, head.removeprefix(codecs.BOM_UTF8)[:1000], re.IGNORECASE | re.DOTALL):
            raise BadInput(f"This is {name}. {ACCEPTED}")


def encoding_of(head: bytes, path: Path | None = None) -> str:
    """The encoding: by its mark, by the pattern of its zeros, UTF-8 if it is valid, else a guess by its letters.

    With a path all of the file is looked at, since the first odd letter can come late.
    """
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    if b"\0" in head[:4000]:
        return _wide(head[:4000])
    if _share_of_controls(head) > 0.01:
        raise BadInput(f"This is not text, nor a format that is known here. {ACCEPTED}")
    return _narrow(head, path)


def known_encoding(name: str) -> str:
    """The name that Python has for this encoding. Raises BadInput for one that it has not."""
    try:
        info = codecs.lookup(name.strip())
    except (LookupError, ValueError):
        info = None
    if info is None or not info._is_text_encoding or info.name in NO_ENCODINGS:
        raise BadInput(f"“{name[:40]}” is not an encoding that is known here. Try utf-8, cp1252 or utf-16.")
    return "utf-8" if info.name == "utf-8-sig" else info.name


def codec(encoding: str) -> str:
    """The codec to open a file with: UTF-8 with or without a mark is one to us."""
    return "utf-8-sig" if encoding == "utf-8" else encoding


def decoded(head: bytes, encoding: str, whole: bool, lenient: bool = False) -> str:
    """The text of the head. A letter that the head's end cuts in two is left out. lenient: what cannot be read is replaced."""
    try:
        decoder = codecs.getincrementaldecoder(codec(encoding))("replace" if lenient else "strict")
        return decoder.decode(head, final=whole)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        raise wrong_encoding(encoding, head[:start].count(b"\n") + 1) from None


def wrong_encoding(encoding: str, line: int) -> BadInput:
    return BadInput(
        f"The text near line {line:,} is not written in {encoding}. Choose another encoding, or leave it to be detected."
    )


def text_format(text: str, name: str) -> str:
    """csv, json or jsonl, by the beginning of a text."""
    start = text.lstrip("\ufeff \t\r\n")
    suffix = name.rpartition(".")[2].lower()
    if not start:
        raise BadInput("The file is empty.")
    if suffix in ("jsonl", "ndjson"):
        return "jsonl"
    if start[0] == "[" and (suffix in JSON_NAMES or re.match(r"\[\s*[{\]]", start)):
        return "json"
    return _of_objects(start, suffix) if start[0] == "{" else "csv"


def _of_objects(text: str, suffix: str) -> str:
    """Whether several objects follow each other, or one holds the rows, or it is another text that begins with a brace."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        if _is_object(text.split("\n", 1)[0]):
            return "jsonl"
        return "json" if suffix in JSON_NAMES or re.match(r'\{\s*("|\})', text) else "csv"
    if text[end:].strip():
        return "jsonl"
    simple = not any(isinstance(one, dict | list) for one in value.values()) and "\n" not in text[:end]
    return "jsonl" if simple or (suffix not in JSON_NAMES and "\n" not in text[:end]) else "json"


def _wide(sample: bytes) -> str:
    """UTF-16 without a mark: every other byte of plain letters is zero."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > len(sample) * 0.2 and even < len(sample) * 0.02:
        return "utf-16-le"
    if even > len(sample) * 0.2 and odd < len(sample) * 0.02:
        return "utf-16-be"
    raise BadInput(f"There are NUL bytes in this file: it is not text, or was damaged. {ACCEPTED}")


def _share_of_controls(sample: bytes) -> float:
    return 1 - len(sample.translate(None, CONTROLS)) / len(sample)


def _narrow(head: bytes, path: Path | None) -> str:
    """UTF-8 where all of it is, else a guess."""
    if _is_utf8([head] if path is None else _chunks(path), final=path is not None):
        return "utf-8"
    return encodings.guess([head] if path is None else _chunks(path)) or "latin-1"


def _chunks(path: Path) -> Iterator[bytes]:
    """The file in parts that end at ends of lines, unless lines are very long."""
    with path.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk + opened.readline(CHUNK)


def _is_utf8(chunks: Iterable[bytes], final: bool) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    return all(_decodes(decoder, chunk, False) for chunk in chunks) and (not final or _decodes(decoder, b"", True))


def is_utf(data: bytes) -> bool:
    """Whether a whole text is in UTF-8, or says by a mark that it is in UTF-16 or UTF-32."""
    return data.startswith(tuple(mark for mark, _ in BOMS)) or _is_utf8([data], final=True)


def is_sure(encoding: str) -> bool:
    """Whether text that was found to be in this encoding cannot well be in another."""
    return encoding.startswith("utf")


def is_readable(path: Path, encoding: str) -> bool:
    """Whether all of the file is text in this encoding."""
    decoder = codecs.getincrementaldecoder(codec(encoding))()
    return all(_decodes(decoder, chunk, False) for chunk in _chunks(path)) and _decodes(decoder, b"", True)


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeError:
        return False
    return True


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
