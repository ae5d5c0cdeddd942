"""Detect the type of a file and the encoding of a text, from its first bytes."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from pathlib import Path

from jobs.engine.errors import BadInput

ZIP = b"PK\x03\x04"
PARQUET = b"PAR1"
ACCEPTED = "A table is taken as CSV, TSV, JSON, JSON Lines, XLSX or Parquet."
CHUNK = 1 << 20

SIGNATURES = (
    (rb"%PDF-", "a PDF"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|BM....\0\0\0\0|II\*\0|MM\0\*", "an image"),
    (rb"RIFF....WEBP|....ftyp(avif|heic)", "an image"),
    (rb"RIFF....(WAVE|AVI )|ID3|OggS|fLaC|\x1aE\xdf\xa3|....ftyp", "a sound or film"),
    (rb"MZ[^\0]{0,60}\0|\x7fELF|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe", "a program"),
    (
        rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Office file (.xls or .doc), or one with a password; save it as XLSX without one",
    ),
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
NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"
CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"
NO_ENCODINGS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7"}


def is_binary(head: bytes) -> bool:
    """Whether this is one of the two formats that are not text."""
    return head.startswith((ZIP, PARQUET))


def refuse_what_is_no_table(head: bytes) -> None:
    """Raise BadInput saying what the file is, where it is something else."""
    if not head.strip(codecs.BOM_UTF8 + b" \t\r\n"):
        raise BadInput("The file is empty.")
    for signature, name in SIGNATURES:
        if re.match(signature, head.removeprefix(codecs.BOM_UTF8)[:1000], re.IGNORECASE | re.DOTALL):
            raise BadInput(f"This is {name}. {ACCEPTED}")


def encoding_of(head: bytes, path: Path | None = None) -> str:
    """The encoding: by its mark, by the pattern of its zeros, UTF-8 if it is valid, else cp1252 or latin-1.

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


def decoded(head: bytes, encoding: str, whole: bool) -> str:
    """The text of the head. A letter that the head's end cuts in two is left out."""
    try:
        return codecs.getincrementaldecoder(codec(encoding))().decode(head, final=whole)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        raise wrong_encoding(encoding, head[:start].count(b"\n") + 1) from None


def wrong_encoding(encoding: str, line: int) -> BadInput:
    return BadInput(
        f"The text near line {line:,} is not written in {encoding}. Choose another encoding, or leave it to be detected."
    )


def text_format(text: str, name: str) -> str:
    """csv, json or jsonl."""
    start = text.lstrip("\ufeff \t\r\n")
    suffix = name.rpartition(".")[2].lower()
    if not start:
        raise BadInput("The file is empty.")
    if start[0] == "[" and (suffix == "json" or re.match(r"\[\s*[{\]]", start)):
        return "json"
    if start[0] == "{" and (suffix in ("json", "jsonl", "ndjson") or _is_object(start.split("\n", 1)[0])):
        return "jsonl"
    return "jsonl" if suffix in ("jsonl", "ndjson") else "csv"


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
    if path is None:
        return _narrowed([head])
    with path.open("rb") as opened:
        return _narrowed(iter(lambda: opened.read(CHUNK), b""), final=True)


def _narrowed(chunks: Iterable[bytes], final: bool = False) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, cp1252 = True, True
    for chunk in chunks:
        utf8 = utf8 and _decodes(decoder, chunk, False)
        cp1252 = cp1252 and len(chunk.translate(None, NOT_IN_CP1252)) == len(chunk)
        if not utf8 and not cp1252:
            break
    if utf8 and (not final or _decodes(decoder, b"", True)):
        return "utf-8"
    return "cp1252" if cp1252 else "latin-1"


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
