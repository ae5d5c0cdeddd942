"""JSON Lines (one object a line) and JSON: a list, or an object that holds one. Nested values are kept as they are."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, TextIO, cast

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables.detect import wrong_encoding
from jobs.engine.formats.tables.grid import column_names

OBJECT_LIMIT = 16_000_000  # characters
CHUNK = 1 << 18
DEPTH = 4  # objects within objects in which a list is looked for
HELD = 64_000_000  # characters of an object that is no list of rows
SPACE = re.compile(r"[ \t\r\n\ufeff]*")
BRACKET = re.compile(r"\[[ \t\r\n]*")
BETWEEN = re.compile(r"[ \t\r\n,\ufeff]*")  # objects that follow each other
KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}


class JsonRows:
    """The rows of one open text. `partial`: it is the beginning of a longer one, and may break off anywhere."""

    def __init__(self, stream: TextIO, format: str, partial: bool = False):
        self._stream, self._format, self._partial = stream, format, partial
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self._format == "jsonl":
            return lines(self._stream, self._partial)
        text = _Window(self._stream)
        if text.peek() != "{":
            return array(text, self._partial)
        path: list[str] = []
        return self._told(path, nested(text, self._partial, path))

    def _told(self, path: list[str], found: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in found:
            if path and not self.notes:
                self.notes.append(f"The rows are those of “{'.'.join(path)[:100]}” in this file.")
            yield row


def lines(stream: TextIO, partial: bool = False) -> Iterator[dict[str, Any]]:
    """One object a line; blank lines are passed over. Several on one line, and one on several, are taken as well."""
    buffer, start, tried = "", 0, 0
    for number, line in _numbered(stream):
        if partial and not line.endswith("\n"):
            return
        start = start if buffer else number
        buffer += line
        if tried and not line.startswith(("}", "]")) and len(buffer) < 2 * tried:
            continue
        found, rest = _objects(buffer, start, last=False)
        yield from found
        buffer, tried = rest, len(rest)
    if buffer and not partial:
        yield from _objects(buffer, start, last=True)[0]


def array(text: _Window, partial: bool = False) -> Iterator[dict[str, Any]]:
    """The entries of one list, decoded one at a time, so that the list is never held whole.

    They are objects; or lists, of which the first may hold the names; or single values.
    """
    entries = _entries(text, partial)
    yield from _rows_of(entries, text)
    if not partial and text.peek():
        raise BadInput(f"After the end of the list, in line {text.line:,}, there is more text.")


def nested(text: _Window, partial: bool, path: list[str]) -> Iterator[dict[str, Any]]:
    """The rows within one object: those of its first list of objects, at whatever depth; or what it is made of as a whole.

    path: the keys under which the list was found.
    """
    whole: dict[str, Any] = {}
    if _find_list(text, path, whole, partial):
        yield from map(_feature, _rows_of(_entries(text, partial), text))
    elif not partial:
        yield from _of_object(whole)


def _find_list(text: _Window, path: list[str], whole: dict[str, Any], partial: bool) -> bool:
    """Go to the first list of objects; the values before it are put into `whole`."""
    text.take("{")
    if text.peek() == "}":
        text.take("}")
        return False
    while True:
        key = text.decode(partial)
        if not isinstance(key, str):
            return False
        text.take(":")
        path.append(key)
        if text.peek() == "[" and text.begins_list_of_objects():
            return True
        if text.peek() == "{" and len(path) < DEPTH:
            inner: dict[str, Any] = {}
            whole[key] = inner
            if _find_list(text, path, inner, partial):
                return True
        else:
            whole[key] = text.decode(partial)
            text.hold()
        path.pop()
        if whole[key] is _CUT or (partial and text.peek() == "") or text.take(",", "}") == "}":
            return False


def _entries(text: _Window, partial: bool) -> Iterator[Any]:
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return
    while True:
        value = text.decode(partial)
        if value is _CUT:
            return
        yield value
        if text.peek() == "" and partial:
            return
        if text.take(",", "]") == "]":
            return


def _rows_of(entries: Iterator[Any], text: _Window) -> Iterator[dict[str, Any]]:
    """Rows of the entries of a list, which are all as the first one is."""
    first = next(entries, None)
    if isinstance(first, list):
        header = first if all(isinstance(name, str) for name in first) and first else []
        names = column_names([name.strip() for name in header], len(first))
        rows = entries if header else chain([first], entries)
        for values in rows:
            if not isinstance(values, list):
                raise BadInput(f"The entry in line {text.line:,} is no list, as the entries before it are.")
            if len(values) > len(names):
                names = column_names(names, len(values))
            yield dict(zip(names, values, strict=False))
    elif isinstance(first, dict):
        for value in chain([first], entries):
            if not isinstance(value, dict):
                raise _no_object(value, f"The entry in line {text.line:,}")
            yield value
    elif first is not None:
        for value in chain([first], entries):
            yield {"value": value}


def _feature(row: dict[str, Any]) -> dict[str, Any]:
    """A feature of GeoJSON as its properties and its geometry."""
    properties = row.get("properties")
    if row.get("type") != "Feature" or not isinstance(properties, dict | None):
        return row
    more = {name: row[name] for name in ("id", "geometry") if name in row and name not in (properties or {})}
    return {**(properties or {}), **more}


def _of_object(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of an object without a list of objects: its columns, its rows by their keys, or itself as the one row."""
    values = list(whole.values())
    columns, data = whole.get("columns"), whole.get("data")
    if isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        names = column_names([str(name) for name in columns], max(map(len, data), default=0))
        yield from (dict(zip(names, row, strict=False)) for row in data)
    elif values and all(isinstance(one, list) and len(one) == len(values[0]) > 0 for one in values):
        yield from (dict(zip(whole, row, strict=True)) for row in zip(*values, strict=True))
    elif values and all(isinstance(one, dict) and one for one in values):
        if all(key.isdigit() for one in values for key in one):
            keys = dict.fromkeys(key for one in values for key in one)
            yield from ({name: one.get(key) for name, one in whole.items()} for key in keys)
        elif all(not isinstance(value, dict) for one in values for value in one.values()):
            yield from ({"key": key, **one} for key, one in whole.items())
        else:
            yield whole
    elif whole:
        yield whole


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


def _objects(text: str, number: int, last: bool) -> tuple[list[dict[str, Any]], str]:
    """The objects of a text that begins in this line, and the rest, which is one that goes on. last: it cannot go on."""
    found: list[dict[str, Any]] = []
    text = text.rstrip() if last else text
    at, end = 0, len(text.rstrip())
    while (at := cast(re.Match[str], BETWEEN.match(text, at)).end()) < end:
        try:
            value, after = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            if error.pos >= end and not last and len(text) < OBJECT_LIMIT:
                return found, text[at:]
            raise _no_json(error, number + text.count("\n", 0, at), at) from None
        except (ValueError, RecursionError):
            raise _too_deep(number) from None
        if not isinstance(value, dict):
            raise _no_object(value, f"Line {number:,}")
        found.append(value)
        at = after
    return found, ""


def _no_json(error: json.JSONDecodeError, number: int, at: int) -> BadInput:
    hint = " A table in JSON is a list of objects, or has one whole object in each line." if number == 1 else ""
    place = error.pos - error.doc.rfind("\n", 0, error.pos)
    line = number + error.doc.count("\n", at, error.pos)
    return BadInput(f"Line {line:,} is not JSON: {_said(error)} at character {place:,}.{hint}")


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
        self._read = 0

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

    def begins_list_of_objects(self) -> bool:
        """Whether an object follows on the bracket at hand."""
        while True:
            end = cast(re.Match[str], BRACKET.match(self._text, self._at)).end()
            if end < len(self._text):
                return self._text[end] == "{"
            if not self._grow():
                return False

    def hold(self) -> None:
        """Raises BadInput where too much was read that has to be kept."""
        if self._read > HELD:
            raise BadInput(
                "The JSON holds no list of objects. A table in JSON is such a list, or has an object in each line."
            )

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
        self._read += len(more)
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
