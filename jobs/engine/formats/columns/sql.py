"""How DuckDB turns the texts of a column into its type."""

from __future__ import annotations

import re

from jobs.engine.formats.columns.column import ColumnFormat
from jobs.engine.formats.columns.month_names import MONTHS
from jobs.engine.formats.columns.numbers import POINT_ZERO_WIDTH, SHORT_WIDTH
from jobs.engine.formats.columns.texts import (
    BLANKS,
    COMMA_NUMBER,
    CORE,
    DAY_FIRST,
    LOOSE_PATTERN,
    MONTH_FIRST,
    NAMED_DATES,
    NO_CENTS,
    NUMERIC_DATES,
    PIVOT,
    POINT,
    POINT_NUMBER,
    UNIT,
    people_pattern,
)
from jobs.engine.formats.columns.zones import ZONES

PATTERNS = NUMERIC_DATES | {str(number): pattern for number, pattern in enumerate(NAMED_DATES)}
_ZONES = f"map {{{', '.join(f'{name!r}: {offset!r}' for name, offset in ({'': '+00:00'} | ZONES).items())}}}"
_PARTIAL = ["%Y%m%d", "%Y", "%Y-%m", "%Y/%m", "%Y.%m", "%m/%Y", "%m.%Y"]


def converted(format: ColumnFormat, text: str) -> str:
    """The expression for the value of a text; null where it does not fit. text: an expression, null for an empty one."""
    if format.reads == "text":
        return text
    trimmed = f"trim({text}, '{BLANKS}')"
    if format.reads == "number":
        return _number(format, trimmed)
    if format.reads == "date":
        return _date(format, trimmed)
    if format.reads == "clock":
        return f"cast(try_strptime(replace({trimmed}, '.', ''), ['%I:%M %p', '%I:%M:%S %p', '%I:%M%p', '%I:%M:%S%p']) as time)"
    return f"try_cast({trimmed} as {format.type})"


def written_back(format: ColumnFormat, text: str) -> str:
    """The expression for the text that a value has in a result: the same as it came, where `reads` is "plain" or "text"."""
    value = converted(format, text)
    if format.type.startswith("DECIMAL("):
        return decimal_text(value, format.type)
    if format.type == "INTERVAL":
        return duration_text(value)
    return time_text(value, format.minutes) if format.type == "TIME" else f"cast({value} as varchar)"


def decimal_text(value: str, type_name: str) -> str:
    """With as many decimals as the type has, or as few as the number needs: see numbers.SHORT_WIDTH."""
    width, scale = (int(part) for part in type_name[8:-1].split(","))
    text = f"cast({value} as varchar)"
    if width == SHORT_WIDTH and scale:
        return f"rtrim(rtrim({text}, '0'), '.')"
    return f"regexp_replace({text}, '([.][0-9]+?)0+$', '\\1')" if width == POINT_ZERO_WIDTH and scale else text


def time_text(value: str, minutes: bool) -> str:
    """A time of day; without the seconds where there are none and `minutes` says so."""
    text = f"cast({value} as varchar)"
    return f"regexp_replace({text}, '^(.....):00$', '\\1')" if minutes else text


def duration_text(value: str) -> str:
    """32:15:00 for an interval of days and less; with months, which have no length, as DuckDB writes it."""
    seconds = f"abs(epoch({value}))"
    whole = f"cast(floor({seconds}) as bigint)"
    fraction = f"rtrim(rtrim(printf('%.6f', {seconds} - floor({seconds})), '0'), '.')[2:]"
    clock = f"printf('%d:%02d:%02d', {whole} // 3600, {whole} // 60 % 60, {whole} % 60) || {fraction}"
    sign = f"if(epoch({value}) < 0, '-', '')"
    return (
        f"if(datepart('month', {value}) + datepart('year', {value}) = 0, {sign} || {clock}, cast({value} as varchar))"
    )


def _number(format: ColumnFormat, text: str) -> str:
    mark = "." if format.mark == POINT else ","
    bare = f"regexp_replace(regexp_replace({text}, '{UNIT}', ''), '{NO_CENTS}', '')"
    digits = f"regexp_replace(regexp_extract({bare}, '{_literal(CORE)}'), '[^0-9{mark}]', '', 'g')"
    digits = digits if format.mark == POINT else f"replace({digits}, ',', '.')"
    sign = f"case when regexp_matches({bare}, '[-\u2212(]') then '-' else '' end"
    pattern = people_pattern(POINT_NUMBER if format.mark == POINT else COMMA_NUMBER)
    value = f"case when regexp_full_match({text}, '{_literal(pattern)}') then {_cast(format, f'{sign} || {digits}')}"
    if format.loose and format.mark == POINT:
        value += f" when regexp_full_match({text}, '{LOOSE_PATTERN}') then try_cast({text} as {format.type})"
    return f"{value} end"


def _cast(format: ColumnFormat, digits: str) -> str:
    if not format.hundredths:
        return f"try_cast({digits} as {format.type})"
    scale = int(format.type.rstrip(")").partition(",")[2])
    return f"cast(try_cast({digits} as decimal(36,{scale - 2})) * 0.01::decimal(2,2) as {format.type})"


def _date(format: ColumnFormat, text: str) -> str:
    readings = [_of_parts(format, text, PATTERNS[shape], shape) for shape in format.shapes]
    if format.partial:
        readings += [f"try_strptime({text}, {_PARTIAL!r})", _month_and_year(text)]
    return f"cast(coalesce({', '.join(readings)}) as {format.type})" if readings else f"cast(null as {format.type})"


def _of_parts(format: ColumnFormat, text: str, pattern: str, shape: str) -> str:
    names = list(re.compile(pattern).groupindex)  # in the order of the groups
    parts = f"regexp_extract({text}, '^(?:{_literal(pattern)})$', {names!r})"
    day = _numeric_day(parts, format.order) if shape in NUMERIC_DATES else _named_day(parts)
    if format.type == "DATE":
        return f"try_cast({day} as date)"
    zone = f"coalesce(map_extract_value({_ZONES}, upper({parts}.zone)), {parts}.zone)"
    clock = f"case when {parts}.hour = '' then ' 00:00:00' else {_clock(parts)} end"
    return f"try_cast({day} || {clock}{f' || {zone}' if format.type == 'TIMESTAMPTZ' else ''} as {format.type})"


def _numeric_day(parts: str, order: int) -> str:
    a, b, c = f"{parts}.a", f"{parts}.b", f"{parts}.c"
    year_first = f"{_year(a)} || '-' || {b} || '-' || {c}"
    if order not in (DAY_FIRST, MONTH_FIRST):
        return year_first
    month, day = (b, a) if order == DAY_FIRST else (a, b)
    return f"case when length({a}) > 2 then {year_first} else {_year(c)} || '-' || {month} || '-' || {day} end"


def _named_day(parts: str) -> str:
    return f"{_year(f'{parts}.c')} || '-' || {_month(f'{parts}.b')} || '-' || {parts}.a"


def _year(text: str) -> str:
    return f"case when length({text}) = 2 then if({text} < '{PIVOT}', '20', '19') || {text} else {text} end"


def _month(text: str) -> str:
    names = ", ".join(f"'{name}': {number}" for name, number in MONTHS.items())
    return f"map_extract_value(map {{{names}}}, lower({text}))"


def _clock(parts: str) -> str:
    hour = f"try_cast({parts}.hour as integer)"
    hour = f"if({parts}.half = '', {hour}, {hour} % 12 + if(lower({parts}.half) = 'p', 12, 0))"
    fraction = f"if({parts}.fraction = '', '', '.' || left({parts}.fraction, 6))"
    return (
        f"' ' || {hour} || ':' || {parts}.minute || ':' || if({parts}.second = '', '00', {parts}.second) || {fraction}"
    )


def _month_and_year(text: str) -> str:
    parts = f"regexp_extract({text}, '^([^0-9 .]+)[.]? ([12][0-9]{{3}})$', ['b', 'c'])"
    return f"try_cast({parts}.c || '-' || {_month(f'{parts}.b')} || '-01' as date)"


def _literal(pattern: str) -> str:
    return pattern.replace("'", "''")
