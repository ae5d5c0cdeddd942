"""CSV and its relatives: one header line, then one record a line, with quotes where a field needs them (RFC 4180)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TextIO

from jobs.engine.errors import BadInput
from jobs.engine.formats.tables.detect import wrong_encoding

DELIMITERS = (",", ";", "\t", "|")
COLUMN_LIMIT = 2_000
FIELD_LIMIT = 1_000_000
RECORD_LIMIT = 16_000_000  # characters, all lines of a record together
SNIFFED = 100


class DelimitedTable:
    """The rows of one open text. `partial`: it is the beginning of a longer one, and may break off anywhere."""

    def __init__(self, stream: TextIO, delimiter: str, partial: bool = False):
        self._lines = _Lines(stream, delimiter, partial)
        self._records = _records(self._lines, delimiter)
        _, header = next(self._records, (0, []))
        if not header and not partial:
            raise BadInput("There is no header line with the names of the columns.")
        self.columns = header_names(header)

    def rows(self) -> Iterator[dict[str, str]]:
        width = len(self.columns)
        for line, fields in self._records:
            if len(fields) != width:
                fields = _fitted(fields, width, line)
            yield dict(zip(self.columns, fields, strict=True))

    def count(self) -> int:
        return sum(1 for _ in self._records)

    @property
    def cut(self) -> int:
        """How many characters of a partial text belong to a record that it does not hold whole."""
        return self._lines.cut


def header_names(cells: list[str]) -> list[str]:
    """The columns' names: trimmed, numbered where empty. Raises BadInput for duplicates and for too many."""
    if len(cells) > COLUMN_LIMIT:
        raise too_many_columns(len(cells))
    names = [cell.replace("\ufeff", "").strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        shown = ", ".join(f"“{name[:60]}”" for name in twice[:5])
        raise BadInput(f"The header has the same name more than once: {shown}. Give each column a name of its own.")
    return names


def too_many_columns(found: int) -> BadInput:
    return BadInput(f"The table has {found:,} columns; {COLUMN_LIMIT:,} is the most that is taken.")


def known_delimiter(text: str) -> str:
    """The delimiter itself. Raises BadInput for what cannot be one."""
    delimiter = {"tab": "\t", "\\t": "\t"}.get(text.lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n\0\ufeff' or delimiter.isalnum():
        raise BadInput(
            f"“{text[:20]}” cannot be the delimiter. It is one character, such as a comma, a semicolon or a tab."
        )
    return delimiter


def sniff(text: str, name: str) -> str:
    """The delimiter that splits the first lines most evenly; a comma where none splits the header."""
    lines = text[:200_000].splitlines(keepends=True)
    lines = lines[:-1] if len(text) > 200_000 and len(lines) > 1 else lines
    order = ("\t", *DELIMITERS) if name.lower().endswith((".tsv", ".tab")) else DELIMITERS
    scores = {delimiter: _evenness(lines, delimiter) for delimiter in order}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best] > (0, 0) else ("\t" if order[0] == "\t" else ",")


def _evenness(lines: list[str], delimiter: str) -> tuple[float, int]:
    """The share of records as wide as the header, and that width; zeros where the header is not split."""
    try:
        widths = [len(fields) for fields in islice(csv.reader(lines, delimiter=delimiter), SNIFFED) if fields]
    except csv.Error:
        return 0, 0
    if not widths or widths[0] < 2:
        return 0, 0
    return round(widths.count(widths[0]) / len(widths), 1), widths[0]


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of its first line. Blank lines are passed over."""
    _raise_field_limit()
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        start = lines.number + 1
        try:
            fields = next(reader, None)
        except csv.Error:
            raise lines.unreadable() from None
        if fields is None or lines.cut:
            return
        if len(lines.pending) > 1:
            lines.check_quotes()
        if lines.size > FIELD_LIMIT and max(map(len, fields)) > FIELD_LIMIT:
            raise _too_long(start)
        lines.forget()
        if fields:
            yield start, fields


def _raise_field_limit() -> None:
    """csv has one limit for the whole process: it is only ever raised, and only to this, so no two readers quarrel."""
    if csv.field_size_limit() < FIELD_LIMIT:
        csv.field_size_limit(FIELD_LIMIT)


class _Lines:
    """Hands lines to csv.reader and keeps those of the record at hand, to be able to say where its quotes went wrong."""

    def __init__(self, stream: TextIO, delimiter: str, partial: bool):
        self._stream = stream
        self._delimiter = delimiter
        self._partial = partial
        self.number = 0
        self.size = 0
        self.pending: list[str] = []
        self.cut = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        try:
            line = self._stream.readline(RECORD_LIMIT)
        except UnicodeError:
            raise wrong_encoding(getattr(self._stream, "encoding", "this encoding"), self.number + 1) from None
        if not line or (self._partial and len(line) < RECORD_LIMIT and not line.endswith(("\n", "\r"))):
            return self._end(rest=line)
        self.number += 1
        if "\0" in line:
            raise BadInput(f"Line {self.number:,} has a NUL byte in it: the file is damaged, or is not text.")
        self.pending.append(line)
        self.size += len(line)
        if self.size >= RECORD_LIMIT:
            raise self.unreadable()
        return line

    def forget(self) -> None:
        self.pending.clear()
        self.size = 0

    def check_quotes(self) -> None:
        """A record of several lines must be quoted as the rules say; else a lost quote has run into the lines below."""
        try:
            for _ in csv.reader(self.pending, delimiter=self._delimiter, strict=True):
                pass
        except csv.Error:
            raise self.unreadable() from None

    def unreadable(self) -> BadInput:
        """Why the record at hand cannot be read."""
        first = self.number - len(self.pending) + 1
        opened = _badly_quoted(self.pending, self._delimiter) if len(self.pending) > 1 else None
        return _too_long(first) if opened is None else _unclosed(first + opened)

    def _end(self, rest: str) -> str:
        if self.pending and not self._partial:
            first = self.number - len(self.pending) + 1
            raise _unclosed(first + (_badly_quoted(self.pending, self._delimiter) or 0))
        self.cut = self.size + len(rest)
        raise StopIteration


def _badly_quoted(lines: Iterable[str], delimiter: str) -> int | None:
    """The index of the line where a quote opens that is not closed at a field's end; None if all are."""
    opened, state = 0, "start"
    for index, line in enumerate(lines):
        for letter in line:
            if state == "quoted":
                state = "closing" if letter == '"' else state
            elif letter == delimiter or letter in "\r\n":
                state = "start"
            elif state == "closing":
                if letter != '"':
                    return opened
                state = "quoted"
            elif state == "start" and letter == '"':
                opened, state = index, "quoted"
            else:
                state = "plain"
    return opened if state == "quoted" else None


def _unclosed(line: int) -> BadInput:
    return BadInput(
        f"A quote opens in line {line:,} and is not closed where a field ends. A quote within a field is written twice."
    )


def _too_long(line: int) -> BadInput:
    return BadInput(f"Line {line:,} has a field of more than {FIELD_LIMIT:,} characters, the most that is taken.")


def _fitted(fields: list[str], width: int, line: int) -> list[str]:
    """As many fields as the header has. Missing ones are empty; of more, only empty ones may be left out."""
    if len(fields) < width:
        return fields + [""] * (width - len(fields))
    if any(fields[width:]):
        message = f"Line {line:,} has {len(fields):,} fields, but the header has {width:,}."
        raise BadInput(f"{message} Put a field that has the delimiter in it into quotes, or choose another delimiter.")
    return fields[:width]
