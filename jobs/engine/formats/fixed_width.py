"""Tables whose columns are lined up by blanks, as printouts and reports of databases have them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

ALIGNED = re.compile(r"\S {2,}\S")
MANY = 8  # lines: in so many, one blank that all of them have at the same place parts columns; in fewer, rows have two there
_BLANKS = re.compile(r" {2,}")

Gap = tuple[int, int]  # the first blank, and the first place behind the last one


def gaps(lines: Sequence[str]) -> tuple[Gap, ...]:
    """The blanks between the columns, which all lines have at the same places; none where there are none.

    A part of a line that has nothing above it in the header belongs to the column before it.
    """
    filled = [line.expandtabs().rstrip() for line in lines if line.strip()]
    if len(filled) < 2 or not all(map(ALIGNED.search, filled)):
        return ()
    wide = max(map(len, filled))
    blank, below = _blank(filled, wide), _blank(filled[1:], wide)
    found = [(start, end) for start, end in _runs(blank) if start > 0 and end < wide]
    wide_below = [run for run in _runs(below) if run[1] - run[0] > 1]
    is_many = len(filled) >= MANY
    parting = [gap for gap in found if is_many or any(start <= gap[0] and gap[1] <= end for start, end in wide_below)]
    return _below_names(parting, filled[0])


def _blank(lines: Sequence[str], wide: int) -> list[bool]:
    """At which places all lines have a blank."""
    return [all(place >= len(line) or line[place] == " " for line in lines) for place in range(wide)]


def _runs(blank: list[bool]) -> list[Gap]:
    borders = [place for place, (one, other) in enumerate(pairwise([False, *blank, False])) if one != other]
    return list(zip(borders[::2], borders[1::2], strict=True))


def _below_names(found: list[Gap], header: str) -> tuple[Gap, ...]:
    ends = [gap[0] for gap in found[1:]] + [len(header)]
    return tuple(gap for gap, end in zip(found, ends, strict=True) if header[gap[1] : end].strip())


def split(line: str, gaps: Sequence[Gap]) -> list[str]:
    """The cells of a line. Where one runs into the gap behind it, the line is parted at the blanks nearest to the gap."""
    line = line.expandtabs().rstrip()
    if any(line[start:end].strip() for start, end in gaps):
        parts = _BLANKS.split(line.strip())
        if len(parts) == len(gaps) + 1:
            return parts
    places = [0, *(_place(line, gap) for gap in gaps), max(len(line), gaps[-1][1])]
    return [line[start : max(start, end)].strip() for start, end in pairwise(places)]


def _place(line: str, gap: Gap) -> int:
    """Where a line is parted at a gap: in it, or at the blank nearest to it."""
    start, end = gap
    if not line[start:end].strip():
        return end
    blanks = [
        place for place in range(max(0, start - (end - start)), min(len(line), 2 * end - start)) if line[place] == " "
    ]
    return min(blanks, key=lambda place: abs(place - end)) if blanks else end
