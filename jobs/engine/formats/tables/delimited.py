"""CSV and its relatives: records of fields between delimiters, with quotes where a field needs them (RFC 4180).

`Dialect` also knows what programs write beside that standard: quotes escaped by a backslash, single quotes, a first line `sep=;`,
lines of comment.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TextIO

from jobs.engine.errors import BadInput
from jobs.engine.formats import fixed_width
from jobs.engine.formats.tables.detect import wrong_encoding
from jobs.engine.formats.tables.grid import HEADER_WITHIN, Records, header_place

DELIMITERS = (",", ";", "\t", "|")
ONE_COLUMN = "none"
NEVER = "\x1f"  # stands for the delimiter of a text that has none
LINED_UP = "blanks"
BLANKS = "\x1e"  # stands for the delimiter of a text whose columns are lined up by blanks
FIELD_LIMIT = 1_000_000
RECORD_LIMIT = 16_000_000  # characters, all lines of a record together
SNIFFED = 100
SEPARATOR_LINE = re.compile(r"\ufeff?sep=(.)[ ]*(?:\r\n|\r|\n)", re.IGNORECASE)
RULE = re.compile(":?-+:?")  # of a table in Markdown
ENOUGH = 0.5  # of the records are of one width, or it is not the delimiter


@dataclass(frozen=True)
class Dialect:
    """How records are written. delimiter: NEVER for one column. skip: how many first lines are no records."""

    delimiter: str
    quote: str = '"'
    escape: str | None = None
    skip: int = 0
    width: int = 0  # where lines that begin with # and have another width are comments
    framed: bool = False  # as Markdown has it: a bar before the first field and behind the last one
    ruled: bool = False  # a line of dashes parts the header from the rows
    gaps: tuple[fixed_width.Gap, ...] = ()  # between columns that are lined up by blanks

    @property
    def shown_delimiter(self) -> str:
        return {NEVER: ONE_COLUMN, BLANKS: LINED_UP}.get(self.delimiter, self.delimiter)

    def reader(self, lines: Iterable[str], strict: bool = False) -> Any:
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, escapechar=self.escape, strict=strict)

    def notes(self) -> list[str]:
        notes = ["A quote within a field was taken to be escaped by a backslash."] if self.escape else []
        if self.quote == "'":
            notes.append("Fields were taken to be in single quotes.")
        if self.gaps:
            notes.append(
                f"The columns are lined up by blanks, and were parted where all lines have some. If they are not "
                f"{len(self.gaps) + 1}, choose the delimiter {ONE_COLUMN}."
            )
        if self.ruled:
            notes.append("The line of dashes below the header was left out.")
        if self.width:
            notes.append("Lines that begin with # were taken for comments and left out.")
        return notes


class DelimitedText:
    """The records of one open text. `partial`: it is the beginning of a longer one, and may break off anywhere."""

    def __init__(self, stream: TextIO, dialect: Dialect, partial: bool = False):
        for _ in range(dialect.skip):
            stream.readline(RECORD_LIMIT)
        self._dialect = dialect
        self._lines = _Lines(stream, dialect, partial)

    def records(self) -> Records:
        """Each record with the number of its first line. Blank lines are passed over, and comments."""
        found = _parted(self._lines, self._dialect) if self._dialect.gaps else _records(self._lines, self._dialect)
        if self._dialect.framed or self._dialect.ruled:
            found = _without_lines(found, self._dialect)
        if not self._dialect.width:
            return found
        return ((number, fields) for number, fields in found if not _is_comment(fields, self._dialect.width))

    @property
    def cut(self) -> int:
        """How many characters of a partial text belong to a record that it does not hold whole."""
        return self._lines.cut


def known_delimiter(text: str) -> str:
    """The delimiter itself. Raises BadInput for what cannot be one."""
    delimiter = {"tab": "\t", "\\t": "\t", ONE_COLUMN: NEVER, LINED_UP: BLANKS}.get(text.lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n\0\ufeff' or delimiter.isalnum():
        raise BadInput(
            f"“{text[:20]}” cannot be the delimiter. It is one character, such as a comma, a semicolon or a tab, "
            f"or the word {ONE_COLUMN} for a table of one column, {LINED_UP} for columns that are lined up by blanks."
        )
    return delimiter


def sniff(text: str, name: str, delimiter: str | None = None) -> Dialect:
    """The dialect in which the first lines are most even. delimiter: one that was chosen."""
    said = SEPARATOR_LINE.match(text)
    skip = 1 if said else 0
    if said:
        text = text[said.end() :]
        delimiter = delimiter or (said[1] if not said[1].isalnum() and said[1] not in "\"'" else None)
    lines = text[:200_000].lstrip("\ufeff").splitlines(keepends=True)
    lines = lines[:-1] if len(text) > 200_000 and len(lines) > 1 else lines
    if gaps := fixed_width.gaps(lines) if delimiter == BLANKS else ():
        return _lined_up(lines, gaps, skip)
    best = max(_dialects(lines, name, delimiter), key=lambda one: _evenness(lines, one))
    if not delimiter and _evenness(lines, best)[0] <= 0:
        split = any(len(fields) > 1 for fields in _sample(lines, Dialect(",")))
        uneven = next((one for one in DELIMITERS if _splits_header(lines, Dialect(one))), None)
        best = Dialect("\t" if _is_tsv(name) else uneven or (NEVER if split else ","))
    drawn = _drawn(lines, replace(best, skip=skip, width=_width_beside_comments(lines, best)))
    gaps = () if delimiter or any(len(fields) > 1 for fields in _sample(lines, drawn)) else fixed_width.gaps(lines)
    return _lined_up(lines, gaps, skip) if gaps else drawn


def _lined_up(lines: list[str], gaps: tuple[fixed_width.Gap, ...], skip: int) -> Dialect:
    filled = [line for line in lines if line.strip()]
    ruled = any(_is_rule(fixed_width.split(line, gaps)) for line in filled[1:2])
    return Dialect(BLANKS, skip=skip, gaps=gaps, ruled=ruled)


def _drawn(lines: list[str], dialect: Dialect) -> Dialect:
    """The dialect, and whether the table is drawn with bars and dashes, as in Markdown."""
    records = _sample(lines, dialect)
    framed = dialect.delimiter == "|" and all(
        len(fields) > 2 and not fields[0].strip() and not fields[-1].strip() for fields in records
    )
    ruled = any(_is_rule(fields[1:-1] if framed else fields) for fields in records[1:2])
    return replace(dialect, framed=framed and bool(records), ruled=ruled)


def _is_rule(fields: list[str]) -> bool:
    plain = [field.strip() for field in fields]
    return len(fields) > 1 and max(map(len, plain)) > 1 and all(map(RULE.fullmatch, plain))


def _without_lines(records: Records, dialect: Dialect) -> Records:
    """The records of a table that is drawn, without what it is drawn with."""
    for number, fields in records:
        inner = [field.strip() for field in fields[1:-1]] if dialect.framed else fields
        if not (dialect.ruled and _is_rule(inner)):
            yield number, inner


def _is_tsv(name: str) -> bool:
    return name.lower().endswith((".tsv", ".tab"))


def _dialects(lines: list[str], name: str, delimiter: str | None) -> Iterator[Dialect]:
    """The dialects to be tried, in the order of preference."""
    order = (delimiter,) if delimiter else ("\t", *DELIMITERS) if _is_tsv(name) else DELIMITERS
    text = "".join(lines)
    for one in order:
        yield Dialect(one)
    for one in order:
        mark = re.escape(one)
        if '\\"' in text:
            yield Dialect(one, escape="\\")
        if '"' not in text and re.search(rf"(^|{mark})'[^'\n]*{mark}[^'\n]*'({mark}|\r?$)", text, re.MULTILINE):
            yield Dialect(one, quote="'")


def _evenness(lines: list[str], dialect: Dialect) -> tuple[float, int, bool]:
    """The share of records of the commonest width, more where the first one is; that width; whether quotes are as the rules say."""
    records = _sample(lines, dialect)
    width = _usual_width(records)
    if width < 2:
        return 0, 0, False
    records = [fields for fields in records if not _is_comment(fields, width)]
    if len(records[0]) == 1 and not header_place(records[:HEADER_WITHIN]):
        return 0, 0, False  # the first line is neither split nor a title above a header
    share = sum(len(fields) == width for fields in records) / len(records)
    first = 0.3 if len(records[0]) == width else 0
    return (round(share, 1) + first, width, _is_strict(lines, dialect)) if share >= ENOUGH else (0, 0, False)


def _splits_header(lines: list[str], dialect: Dialect) -> bool:
    """Whether the first line is names in this dialect, and most other lines have several fields, though not as many each."""
    records = _sample(lines, dialect)
    names, others = (records[0] if records else []), records[1:]
    split = sum(len(fields) > 1 for fields in others)
    return len(names) > 1 and all(name.strip() for name in names) and split >= max(1, ENOUGH * len(others))


def _sample(lines: list[str], dialect: Dialect) -> list[list[str]]:
    try:
        return [fields for fields in islice(dialect.reader(lines), SNIFFED) if fields]
    except csv.Error:
        return []


def _is_strict(lines: list[str], dialect: Dialect) -> bool:
    try:
        deque(islice(dialect.reader(lines, strict=True), SNIFFED), maxlen=0)
    except csv.Error:
        return False
    return True


def _usual_width(records: list[list[str]]) -> int:
    """The commonest number of fields, that of lines of comment not counted."""
    widths = Counter(len(fields) for fields in records if not fields[0].startswith("#"))
    widths = widths or Counter(map(len, records))
    return max(widths, key=lambda width: (widths[width], width), default=0)


def _is_comment(fields: list[str], width: int) -> bool:
    return fields[0].startswith("#") and len(fields) != width


def _width_beside_comments(lines: list[str], dialect: Dialect) -> int:
    """The table's width where there are comments; 0 where there are none, or it has one column."""
    records = _sample(lines, dialect)
    width = _usual_width(records)
    return width if width > 1 and any(_is_comment(fields, width) for fields in records) else 0


def _records(lines: _Lines, dialect: Dialect) -> Records:
    """Each record with the number of its first line. Blank lines are passed over."""
    _raise_field_limit()
    reader = dialect.reader(lines)
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


def _parted(lines: _Lines, dialect: Dialect) -> Records:
    """The records of a table whose columns are lined up by blanks."""
    for line in lines:
        if line.strip():
            yield lines.number, fixed_width.split(line, dialect.gaps)
        lines.forget()


def _raise_field_limit() -> None:
    """csv has one limit for the whole process: it is only ever raised, and only to this, so no two readers quarrel."""
    if csv.field_size_limit() < FIELD_LIMIT:
        csv.field_size_limit(FIELD_LIMIT)


class _Lines:
    """Hands lines to csv.reader and keeps those of the record at hand, to be able to say where its quotes went wrong."""

    def __init__(self, stream: TextIO, dialect: Dialect, partial: bool):
        self._stream = stream
        self._dialect = dialect
        self._partial = partial
        self.number = dialect.skip
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
            for _ in self._dialect.reader(self.pending, strict=True):
                pass
        except csv.Error:
            raise self.unreadable() from None

    def unreadable(self) -> BadInput:
        """Why the record at hand cannot be read."""
        first = self.number - len(self.pending) + 1
        opened = _badly_quoted(self.pending, self._dialect) if len(self.pending) > 1 else None
        return _too_long(first) if opened is None else _unclosed(first + opened)

    def _end(self, rest: str) -> str:
        if self.pending and not self._partial:
            first = self.number - len(self.pending) + 1
            raise _unclosed(first + (_badly_quoted(self.pending, self._dialect) or 0))
        self.cut = self.size + len(rest)
        raise StopIteration


def _badly_quoted(lines: Iterable[str], dialect: Dialect) -> int | None:
    """The index of the line where a quote opens that is not closed at a field's end; None if all are."""
    opened, state, escaped = 0, "start", False
    for index, line in enumerate(lines):
        for letter in line:
            if escaped or letter == dialect.escape:
                escaped = not escaped
            elif state == "quoted":
                state = "closing" if letter == dialect.quote else state
            elif letter == dialect.delimiter or letter in "\r\n":
                state = "start"
            elif state == "closing":
                if letter != dialect.quote:
                    return opened
                state = "quoted"
            elif state == "start" and letter == dialect.quote:
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
