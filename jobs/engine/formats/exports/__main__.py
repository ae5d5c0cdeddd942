"""The child that writes a file: `python -m jobs.engine.formats.exports FORMAT PATH` takes rows on its input.

Prints nothing if all went well; else why not, as JSON. When the rows break off before their end, whoever wanted
them is gone: nobody will look at the file, so the folder it was to be in goes too.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.engine.errors import NO_SPACE, LegworkError
from jobs.engine.formats.exports import parquet, workbook
from jobs.engine.formats.exports.writer import END
from jobs.engine.sandbox import offline

WRITERS = {"xlsx": workbook.write, "parquet": parquet.write}


class BrokenOff(Exception):
    """The rows ended before their end."""


def main(format: str, target: Path) -> None:
    offline.leave_network()
    lines = _values()
    try:
        columns, known = next(lines), next(lines)
        WRITERS[format](columns, lines, target, known)
    except LegworkError as error:
        _say(error.reason, error.message)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        _say("no_space", "There is no space left to prepare the table. Download it as CSV, or free some space.")
    except BrokenOff:
        shutil.rmtree(target.parent, ignore_errors=True)
        sys.exit("The rows broke off.")


def _values() -> Iterator[list[Any]]:
    for line in sys.stdin.buffer:
        value = json.loads(line) if line.endswith(b"\n") else None
        if value == END:
            return
        if value is None:
            break
        yield value
    raise BrokenOff


def _say(reason: str, message: str) -> None:
    print(json.dumps({"reason": reason, "message": message}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
