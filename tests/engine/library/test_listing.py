"""The library's list: any order, by pages of cursors, with filters and counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from jobs.engine import library
from jobs.engine.errors import NotFound
from jobs.engine.library import DocumentQuery
from tests.conftest import House

OWNER = "lists"
PAGES = (None, 3, 1, 3, 2, None)


@pytest.fixture(scope="module", autouse=True)
def documents(house: House) -> Iterator[None]:
    with house():
        for number, pages in enumerate(PAGES):
            kind = {
                "media_type": "application/pdf" if pages else "text/plain",
                "language": "de" if pages == 3 else None,
            }
            library.add_text(
                OWNER, "a" if number else "b", f"Doc {'bBaAcC'[number]}", "x " * number, pages=pages, **kind
            )
        library.add_text("other", "a", "Theirs", "x")
        yield


@pytest.mark.parametrize("sort", ["title", "type", "pages", "words", "language", "added"])
@pytest.mark.parametrize("down", [False, True])
def test_pages_follow_each_other_both_ways_in_every_order(sort: str, down: bool) -> None:
    query = DocumentQuery(sort=sort, descending=down, limit=2)
    there, page = [], library.document_page(OWNER, query)
    whole = [one.id for one in library.document_page(OWNER, replace(query, limit=50)).rows]
    assert page.previous is None and page.found == len(whole) == len(PAGES)
    while True:
        there += [one.id for one in page.rows]
        if not page.next:
            break
        last, page = page, library.document_page(OWNER, replace(query, after=page.next))
        back = library.document_page(OWNER, replace(query, before=page.previous))
        assert [one.id for one in back.rows] == [one.id for one in last.rows]
        assert bool(back.previous) == bool(last.previous) and back.next
    assert there == whole


def test_nothing_is_last_in_either_direction() -> None:
    for down, first in ((False, 1), (True, 3)):
        found = library.document_page(OWNER, DocumentQuery(sort="pages", descending=down)).rows
        assert found[0].pages == first and [one.pages for one in found][-2:] == [None, None]


def test_filters_narrow_the_rows_and_the_other_counts() -> None:
    query = DocumentQuery(where={"language": "de"})
    assert library.document_values(OWNER, query, "type") == [("application/pdf", 2)]
    assert library.document_values(OWNER, query, "language") == [("de", 2)]
    assert library.document_page(OWNER, replace(query, q="doc b", collection="a")).found == 1


@pytest.mark.parametrize(
    "cursor", ["", "x", "[]", '["a"]', '[1, "x"]', "[" * 9_000, '["\\ud800", "x"]', '["2026-01-01T00:00:00+00:00", 7]']
)
def test_a_cursor_that_is_none_is_not_found(cursor: str) -> None:
    for sort in ("added", "words", "title"):
        with pytest.raises(NotFound):
            library.document_page(OWNER, DocumentQuery(sort=sort, after=cursor))
