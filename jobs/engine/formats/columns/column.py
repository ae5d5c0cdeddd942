"""The values of one column, counted by what they can be read as, and the format that is decided from that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from jobs.engine import jsonsafe
from jobs.engine.formats.columns.texts import DAY_FIRST, POINT, Evidence, evidence

DateOrder = Literal["auto", "day first", "month first", "year first"]
NumberMarks = Literal["auto", "1,234.5", "1.234,5"]
Reads = Literal["plain", "number", "date", "clock", "text"]
SHOWN = 40  # characters of an example
EXAMPLES = 3
Kind = TypeVar("Kind", bound=Evidence)


@dataclass(frozen=True)
class Choices:
    """What a person has chosen. texts: names of columns that stay text."""

    dates: DateOrder = "auto"
    numbers: NumberMarks = "auto"
    texts: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Choices:
        return cls(value.get("dates", "auto"), value.get("numbers", "auto"), tuple(value.get("texts", ())))


AUTOMATIC = Choices()


@dataclass(frozen=True)
class Hints:
    """What the rest of the table says about columns that can be read in two ways."""

    comma: bool = False
    month_first: bool = False


@dataclass(frozen=True)
class ColumnFormat:
    """How the texts of a column are read.

    type: DuckDB's. reads: "plain" (a cast does), "number", "date", "clock" or "text". says: the format in a few words.
    guess: a sentence, where another reading fits too. note: why it stayed text. misfits: values that are not so.
    """

    name: str
    type: str = "VARCHAR"
    reads: Reads = "text"
    says: str = ""
    guess: str = ""
    note: str = ""
    misfits: int = 0
    examples: tuple[str, ...] = ()  # of the misfits
    mark: int = POINT  # of decimals
    unit: str = ""
    hundredths: bool = False  # 15 % is 0.15
    loose: bool = False  # numbers such as +5, 007 and 1e3 count
    order: int = DAY_FIRST
    shapes: tuple[str, ...] = ()  # of the dates
    partial: bool = False  # dates such as 2026 and 2026-03 count
    minutes: bool = False  # times of day without seconds
    letter: str = ""  # between date and time, where all have the same

    @property
    def sentences(self) -> list[str]:
        return [one for one in (self.guess, self.note) if one]


@dataclass
class SortCount:
    """How many values are of one sort, and some of the first."""

    count: int
    examples: list[str]

    @property
    def example(self) -> str:
        return self.examples[0]


@dataclass
class Column:
    """The values of one column so far: how many there are of each sort, with an example. Constant memory."""

    name: str
    filled: int = 0
    texts: int = 0
    seen: dict[Evidence, SortCount] = field(default_factory=dict)

    def add(self, value: Any, count: int = 1) -> None:
        """A value that is there so many times."""
        if value is None or value == "":
            return
        if isinstance(value, str):
            self.texts += count
        else:
            value = _written(value)
        self.filled += count
        found = evidence(value)
        if (one := self.seen.get(found)) is None:
            self.seen[found] = SortCount(count, [value[:SHOWN]])
            return
        one.count += count
        if len(one.examples) < EXAMPLES and value[:SHOWN] not in one.examples:
            one.examples.append(value[:SHOWN])

    def of(self, kind: type[Kind]) -> Iterator[tuple[Kind, SortCount]]:
        return ((found, one) for found, one in self.seen.items() if isinstance(found, kind))

    def count(self, kind: type[Evidence]) -> int:
        return sum(one.count for _, one in self.of(kind))

    def misfits(self, fitting: Iterable[Evidence]) -> tuple[int, tuple[str, ...]]:
        """How many values are none of these, with a few examples."""
        fits = set(fitting)
        others = [one for found, one in self.seen.items() if found not in fits]
        examples = [example for one in others for example in one.examples]
        return sum(one.count for one in others), tuple(examples[:EXAMPLES])


def _written(value: Any) -> str:
    plain = jsonsafe.clean(value)
    return plain if isinstance(plain, str) else jsonsafe.dumps(plain)


def some(examples: Iterable[str]) -> str:
    """Examples in quotes: “n/a”, “?”."""
    return ", ".join(f"“{example}”" for example in examples)
