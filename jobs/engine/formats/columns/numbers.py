"""Which numbers a column holds: the decimal mark, the unit, and the type that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jobs.engine.formats.columns.column import Choices, Column, ColumnFormat, Hints, SortCount, some
from jobs.engine.formats.columns.texts import COMMA, POINT, NumberText

BIGINT_DIGITS, HUGEINT_DIGITS = 18, 38
# The width of a decimal type says how the column was written, so that its values are written back so: with as many decimals
# as the type has; with as many as they need (1, 2.5); with at least one (1.0, 2.5). Sums and products have other widths.
EVEN_WIDTHS = (16, 33, 38)
SHORT_WIDTH, POINT_ZERO_WIDTH = 37, 36
MOST_DECIMALS = 18  # of the latter two: products of more would not fit
BOTH = POINT | COMMA
Found = Sequence[tuple[NumberText, SortCount]]


class NumberReading(NamedTuple):
    """The decimal mark that most values have, the values that have it, and whether that is a guess."""

    mark: int
    fitting: Found
    guessed: bool


def sure_mark(column: Column) -> int:
    """The decimal mark that all numbers of the column have and that is the only one; else 0."""
    found = [(one, seen) for one, seen in column.of(NumberText) if not one.loose]
    if not found or len(found) != len(column.seen):
        return 0
    marks = {mark: all(one.marks & mark for one, _ in found) for mark in (POINT, COMMA)}
    return 0 if marks[POINT] == marks[COMMA] else POINT if marks[POINT] else COMMA


def reading(column: Column, choices: Choices, hints: Hints) -> NumberReading:
    found = list(column.of(NumberText))
    fits = {mark: sum(seen.count for one, seen in found if one.marks & mark) for mark in (POINT, COMMA)}
    guessed = False
    if choices.numbers != "auto":
        mark = COMMA if choices.numbers == "1.234,5" else POINT
        if not fits[mark]:
            mark = BOTH - mark  # what was chosen is for the columns in doubt
    elif fits[POINT] == fits[COMMA]:
        guessed = any(one.differs for one, _ in found)
        mark = COMMA if guessed and hints.comma else POINT
    else:
        mark = POINT if fits[POINT] > fits[COMMA] else COMMA
    return NumberReading(mark, [(one, seen) for one, seen in found if one.marks & mark], guessed)


def typed(column: Column, choices: Choices, hints: Hints) -> ColumnFormat:
    """The format of a column that has nothing but numbers; text where a number would lose something."""
    read = reading(column, choices, hints)
    kinds = [one for one, _ in read.fitting]
    text = ColumnFormat(column.name)
    if len(kinds) < len(column.seen):
        other = next(seen.example for one, seen in column.seen.items() if one not in kinds)
        return _as_text(column, f"{some([_example(read), other])} have different decimal marks")
    if any(one.loose for one in kinds):
        return text
    units = {one.unit for one in kinds}
    if len(units - {""}) > 1 or ("%" in units and len(units) > 1):
        return _as_text(
            column, f"its values have different units ({', '.join(sorted(unit or 'none' for unit in units))})"
        )
    if all(one.bracketed for one in kinds) or (
        all(one.spaced for one in kinds) and len({one.whole for one in kinds}) == 1
    ):
        return text  # (1) and (2) are references, 110 001 is a code
    if read.mark == POINT and all(one.plain for one in kinds):
        return _plain(column, kinds)
    type_name = _number_type(kinds, read.mark)
    if type_name is None:
        return text
    unit = "".join(units)
    says = f"numbers like {_example(read)}"
    guess = _guess(column, read)
    return ColumnFormat(
        column.name, type_name, "number", says, guess, mark=read.mark, unit=unit, hundredths=unit == "%"
    )


def wanted(column: Column, choices: Choices, hints: Hints) -> ColumnFormat | None:
    """The format of a column in which numbers are wanted; None if it has none. Raises ValueError for several units."""
    read = reading(column, choices, hints)
    if not read.fitting:
        return None
    kinds = [one for one, _ in read.fitting]
    units = {one.unit for one in kinds} - {""}
    if len(units) > 1:
        raise ValueError(some(sorted(units)))
    place = 0 if read.mark == POINT else 1
    whole, fraction = max(one.whole[place] for one in kinds), max(one.fraction[place] for one in kinds)
    type_name = f"DECIMAL(38,{fraction})" if whole + fraction <= 32 else "DOUBLE"
    if not fraction and whole <= BIGINT_DIGITS:
        type_name = "BIGINT"
    misfits, examples = column.misfits(kinds)
    return ColumnFormat(
        column.name,
        type_name,
        "number",
        f"numbers like {_example(read)}",
        _guess(column, read),
        misfits=misfits,
        examples=examples,
        mark=read.mark,
        unit="".join(units),
        loose=any(one.loose or one.plain == "long" for one in kinds),
    )


def _plain(column: Column, kinds: Sequence[NumberText]) -> ColumnFormat:
    """Numbers as programs write them, which are written back by the digit."""
    styles = {one.plain for one in kinds}
    whole, fraction = max(one.whole[0] for one in kinds), max(one.fraction[0] for one in kinds)
    type_name = None
    if styles == {"whole"}:
        type_name = _whole_type(whole)
    elif "whole" not in styles and len({one.fraction[0] for one in kinds}) == 1 and whole + fraction <= HUGEINT_DIGITS:
        type_name = _even(whole, fraction)
    elif "padded" in styles:
        padded = next(seen.example for one, seen in column.of(NumberText) if one.plain in ("padded", "point zero"))
        return _as_text(column, f"its values have different numbers of decimals, and {padded} would lose its zero")
    elif "long" in styles and styles <= {"long", "short", "point zero"}:
        type_name = "DOUBLE"
    elif "point zero" not in styles and fraction <= MOST_DECIMALS and whole + fraction <= SHORT_WIDTH:
        type_name = f"DECIMAL({SHORT_WIDTH},{fraction})"
    elif "whole" not in styles and fraction <= MOST_DECIMALS and whole + fraction <= POINT_ZERO_WIDTH:
        type_name = f"DECIMAL({POINT_ZERO_WIDTH},{fraction})"
    return ColumnFormat(column.name, type_name, "plain") if type_name else ColumnFormat(column.name)


def _number_type(kinds: Sequence[NumberText], mark: int) -> str | None:
    place = 0 if mark == POINT else 1
    more = 2 if kinds[0].unit == "%" else 0  # 15 % is 0.15
    whole, fraction = max(one.whole[place] for one in kinds), max(one.fraction[place] for one in kinds) + more
    if whole + fraction > SHORT_WIDTH:
        return None
    if not fraction:
        return _whole_type(whole)
    even = len({one.fraction[place] for one in kinds}) == 1
    return _even(whole, fraction) if even else f"DECIMAL({SHORT_WIDTH},{fraction})"


def _whole_type(digits: int) -> str | None:
    return "BIGINT" if digits <= BIGINT_DIGITS else "HUGEINT" if digits <= HUGEINT_DIGITS else None


def _even(whole: int, fraction: int) -> str:
    width = next(width for width in EVEN_WIDTHS if width >= whole + fraction)
    return f"DECIMAL({width},{fraction})"


def _example(read: NumberReading) -> str:
    """A value that shows the format: the longest of the examples that people wrote, else of all."""
    return max((seen.example.strip() for one, seen in read.fitting), key=lambda text: (not text.isdigit(), len(text)))


def _guess(column: Column, read: NumberReading) -> str:
    if not read.guessed:
        return ""
    text = next(seen.example.strip() for one, seen in read.fitting if one.differs)
    was, other = (
        ("a decimal mark", "thousands") if (read.mark == POINT) == ("." in text) else ("thousands", "a decimal mark")
    )
    sign = "." if "." in text else ","
    chosen = "1.234,5" if read.mark == POINT else "1,234.5"
    return (
        f"{column.name}: the “{sign}” in “{text}” was read as {was}. If it is {other}, choose “{chosen}” as the way "
        "numbers are written."
    )


def _as_text(column: Column, why: str) -> ColumnFormat:
    return ColumnFormat(column.name, note=f"{column.name} stayed text: {why}.")
