"""Reading documents and tables: the same files as tests/engine/formats, beside markitdown and pandas."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.formats import tables
from jobs.engine.formats.extraction import formats
from tests.accuracy.conftest import Report, peer
from tests.engine.formats import test_real_tables
from tests.engine.formats.extraction import test_real_documents as documents

LOCKED = "locked or empty"


@pytest.mark.filterwarnings("ignore")
def test_words_of_documents(report: Report) -> None:
    some = [path for path in documents._documents() if _format(path) in documents.KEPT]
    ours = {path: text for path in some if (text := _text(path)) is not LOCKED}
    theirs: list[str | None] = peer("markitdown", [str(path) for path in ours])
    kept: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    read = [0, 0]
    for (path, mine), other in zip(ours.items(), theirs, strict=True):
        read = [read[0] + (mine is not None), read[1] + (other is not None)]
        there = documents._own_words(path, _format(path))
        counts = kept[_format(path)]
        for place, text in enumerate((mine, other)):
            counts[place] += sum((there & documents._words(text or "")).values())
        counts[2] += there.total()
    for format, (own, others, of) in sorted(kept.items()):
        report("process_files", f"words kept, {format}", f"{own / of:.1%}", {"markitdown": f"{others / of:.1%}"})
    report("process_files", f"files read, of {len(ours)}", str(read[0]), {"markitdown": str(read[1])})


def _format(path: Path) -> str:
    return path.suffix.lower().lstrip(".") or "mail"


def _text(path: Path) -> str | None:
    """None: it is not read. LOCKED: rightly so."""
    try:
        return str(formats.reader(path, path.name)(path, path.name, False).text)
    except BadInput as error:
        return LOCKED if error.reason in documents.RIGHTLY_REFUSED else None


@pytest.mark.filterwarnings("ignore")
def test_tables(report: Report) -> None:
    folders = [documents.source_distributions.folder(name) for name in test_real_tables.PACKAGES]
    found = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in test_real_tables.SUFFIXES
    ]
    paths = [path for path in found if not set(path.parts) & set(test_real_tables.NO_TABLES)]
    ours = [_reads(path) for path in paths]
    theirs = peer("pandas", [str(path) for path in paths])
    count = sum(one is not None for one in ours)
    of = [at for at, one in enumerate(ours) if one is not None]
    report(
        "tables",
        f"read, of {count}",
        str(sum(ours[at] is True for at in of)),
        {"pandas": str(sum(theirs[at] is not None for at in of))},
    )


def _reads(path: Path) -> bool | None:
    """None: the file holds no table, rightly refused."""
    try:
        info = tables.describe_here(path, path.name)
        for _ in tables.read_here(path, path.name, info.options):
            pass
    except BadInput as error:
        return None if documents.re.search(test_real_tables.RIGHTLY_REFUSED, error.message) else False
    return True
