"""The child that writes a file: `{"target"}` is its request, the rows follow on its input.

When they break off before their end, nobody will look at the file, so the folder it was to be in goes too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jobs.engine.errors import NO_SPACE, LegworkError
from jobs.engine.formats.exports import parquet, workbook
from jobs.engine.formats.exports.writer import END
from jobs.engine.sandbox import confined

WRITERS = {".xlsx": workbook.write, ".parquet": parquet.write}


class BrokenOff(Exception):
    """The rows ended before their end."""


def main() -> None:
    child = confined.ChildEnd(outlives_parent=True)
    target = Path(child.request["target"])
    lines = _values(child.input)
    try:
        columns, known = next(lines), next(lines)
        WRITERS[target.suffix](columns, lines, target, known)
        child.answer({})
    except LegworkError as error:
        child.refuse(error.message, error.reason)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        child.refuse("There is no space left to prepare the table. Download it as CSV, or free some space.", "no_space")
    except BrokenOff:
        shutil.rmtree(target.parent, ignore_errors=True)


def _values(lines: Iterable[bytes]) -> Iterator[list[Any]]:
    for line in lines:
        value = json.loads(line) if line.endswith(b"\n") else None
        if value == END:
            return
        if value is None:
            break
        yield value
    raise BrokenOff


if __name__ == "__main__":
    main()
