"""JSON Lines (one object a line) and JSON (one list of objects). Nested values are kept as they are."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, TextIO, cast

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables.detect import wrong_encoding

OBJECT_LIMIT = 16_000_000  # characters
CHUNK = 1 << 18
SPACE = re.compile(r"[ \t\r\n\ufeff]*")
KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}


def rows(stream: TextIO, format: str, partial: bool = False) -> Iterator[dict[str, Any]]:
    """The objects. `partial`: the stream is the beginning of a longer text, and may break off anywhere."""
    return array(stream, partial) if format == "json" else lines(stream, partial)


def lines(stream: TextIO, partial: bool = False) -> Iterator[dict[str, Any]]:
    """One object a line; blank lines are passed over."""
    for number, line in _numbered(stream):
        if partial and not line.endswith("\n"):
            return
        yield _object(line, number)


def count_lines(stream: TextIO) -> int:
    return sum(1 for _ in _numbered(stream))


def array(stream: TextIO, partial: bool = False) -> Iterator[dict[str, Any]]:
    """The objects of one list, decoded one at a time, so that the list is never held whole."""
    text = _Window(stream)
    text.take("[")
    if text.peek() == "]":
        return
    while True:
        value = text.decode(partial)
        if value is _CUT:
            return
        if not isinstance(value, dict):
            raise _no_object(value, f"The entry in line {text.line:,}")
        yield value
        if text.peek() == "" and partial:
            return
        if text.take(",", "]") == "]":
            break
    if text.peek():
        raise BadInput(f"After the end of the list, in line {text.line:,}, there is more text.")


def _numbered(stream: TextIO) -> Iterator[tuple[int, str]]:
    number = 0
    while True:
        number += 1
        try:
            line = stream.readline(OBJECT_LIMIT)
        except UnicodeError:
            raise wrong_encoding(getattr(stream, "encoding", "this encoding"), number) from None
        if not line:
            return
        if len(line) >= OBJECT_LIMIT:
            raise BadInput(f"Line {number:,} is longer than {OBJECT_LIMIT:,} characters, the most that is taken.")
        if not line.isspace():
            yield number, line


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        value = _DECODER.decode(line.strip("\ufeff \t\r\n"))
    except json.JSONDecodeError as error:
        hint = " A table in JSON is a list of objects, or has one whole object in each line." if number == 1 else ""
        raise BadInput(f"Line {number:,} is not JSON: {_said(error)} at character {error.pos + 1:,}.{hint}") from None
    except (ValueError, RecursionError):
        raise _too_deep(number) from None
    if not isinstance(value, dict):
        raise _no_object(value, f"Line {number:,}")
    return value


def _no_object(value: Any, place: str) -> BadInput:
    return BadInput(f"{place} holds {KINDS[type(value)]}; each row of a table must be an object, in braces.")


def _too_deep(line: int) -> BadInput:
    return BadInput(f"Line {line:,} has a number too long, or values nested too deep, to be read.")


class _Window:
    """A window that moves over a JSON text, and grows where an object does not fit into it."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._text = ""
        self._at = 0
        self._line = 1

    @property
    def line(self) -> int:
        """The number of the line in which the window stands."""
        return self._line + self._text.count("\n", 0, self._at)

    def peek(self) -> str:
        """The next letter that is no space; empty at the end."""
        while True:
            self._at = cast(re.Match[str], SPACE.match(self._text, self._at)).end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow():
                return ""

    def take(self, *wanted: str) -> str:
        letter = self.peek()
        if letter not in wanted:
            found = f"“{letter}”" if letter else "the end of the file"
            raise BadInput(
                f"Line {self.line:,}: {found} stands where “{'” or “'.join(wanted)}” should. The list is broken off or damaged."
            )
        self._at += 1
        return letter

    def decode(self, partial: bool) -> Any:
        """The next value; _CUT where a partial text ends within it."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                line = self._line + error.lineno - 1
                if len(self._text) - self._at < OBJECT_LIMIT and self._grow():
                    continue
                if partial:
                    return _CUT
                raise BadInput(f"Line {line:,} is not JSON: {_said(error)}.") from None
            except (ValueError, RecursionError):
                raise _too_deep(self.line) from None
            self._at = end
            return value

    def _grow(self) -> bool:
        """Read on; drop what lies behind. False at the end."""
        self._line = self.line
        rest = self._text[self._at :]
        try:
            more = self._stream.read(max(CHUNK, len(rest)))
        except UnicodeError:
            raise wrong_encoding(getattr(self._stream, "encoding", "this encoding"), self._line) from None
        self._text, self._at = rest + more, 0
        return bool(more)


def _said(error: json.JSONDecodeError) -> str:
    return error.msg[0].lower() + error.msg[1:].removesuffix(" at")


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


class _Decoder(json.JSONDecoder):
    """JSON as Postgres takes it: NaN and infinity are null, NUL and lone surrogates do not come through."""

    def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
        value, end = super().raw_decode(s, idx)
        hidden = "\\u" in s[idx:end] or "\0" in s[idx:end]
        return (jsonsafe.clean(value) if hidden else value), end


_DECODER = _Decoder(parse_float=_finite, parse_constant=lambda _: None)
_CUT = object()
