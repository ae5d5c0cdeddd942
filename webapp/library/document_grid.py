"""The library's list of documents in the one data grid: sorted, searched and filtered by links, page by page by keyset."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from jobs.engine import library
from jobs.engine.kinds import ItemColumn
from webapp.results import grid, profiles, values
from webapp.ui import safe_text

PAGE = 50
SORTS = ("title", "type", "pages", "words", "language", "added")
COLUMNS = (
    ItemColumn("title", type="name"),
    ItemColumn("collection", type="word"),
    ItemColumn("type", type="word", words=values.FILE_TYPES, facet=True),
    ItemColumn("pages", type="number"),
    ItemColumn("words", type="number"),
    ItemColumn("language", type="word", words=values.LANGUAGES, facet=True),
    ItemColumn("tags", type="word"),
    ItemColumn("added", type="date"),
)
ROW = Markup('<a href="/library/{}">{}</a>{}')
SMALL = Markup("<small>{}</small>")


def view(owner: str, asked: grid.Asked) -> dict[str, Any]:
    """The variables of the grid's template, for what the address asks for."""
    here = grid.GridAddress("/library", asked)
    query = query_of(asked)
    page = library.document_page(owner, query)
    every = [one for one in COLUMNS if one.name != "collection" or not query.collection]
    shown = [one for one in every if one.name in asked.getlist("show")] or every
    return {
        "every": every,
        "numbered": False,
        "shown": {one.name for one in shown},
        "heads": [_head(one, query, here) for one in shown],
        "rows": [(0, [_cell(document, one) for one in shown]) for document in page.rows],
        "facets": _facets(owner, query, here),
        "q": query.q,
        "searched": "Search titles, names and tags",
        "here": here,
        "lines": asked.get("lines") if asked.get("lines") in ("1", "all") else "3",
        "line_choices": (),
        "found": page.found,
        "capped": page.found == library.COUNTED_DOCUMENTS,
        "looked": page.found,
        "total": page.found,
        "sort": query.sort,
        "previous": here.of({"before": page.previous}) if page.previous else None,
        "next": here.of({"after": page.next}) if page.next else None,
    }


def query_of(asked: grid.Asked) -> library.DocumentQuery:
    """What the address asks for; what does not fit is left out."""
    sort = asked.get("sort") if asked.get("sort") in SORTS else "added"
    where = {name: _text(asked, f"{grid.IS}{name}", 200) for name in ("type", "language")}
    return library.DocumentQuery(
        collection=_text(asked, "collection", 100) or None,
        q=_text(asked, "q", 200),
        where={name: value for name, value in where.items() if value},
        sort=sort or "added",
        descending=asked.get("dir", "desc" if sort == "added" else "asc") == "desc",
        after=asked.get("after") or None,
        before=asked.get("before") or None,
        limit=PAGE,
    )


def _text(asked: grid.Asked, name: str, most: int) -> str:
    return asked.get(name, "").replace("\0", "").strip()[:most]


def _head(column: ItemColumn, query: library.DocumentQuery, here: grid.GridAddress) -> grid.ColumnHead:
    if column.name not in SORTS:
        return grid.ColumnHead(column, "", "", profiles.Profile(""))
    if query.sort != column.name:
        first = "desc" if column.numeric or column.name == "added" else "asc"
        return grid.ColumnHead(column, here(sort=column.name, dir=first), "", profiles.Profile(""))
    other, order = ("asc", "descending") if query.descending else ("desc", "ascending")
    return grid.ColumnHead(column, here(sort=column.name, dir=other), order, profiles.Profile(""))


def _cell(document: library.Document, column: ItemColumn) -> grid.GridCell:
    if column.name == "title":
        return grid.GridCell(column, _title(document), False)
    value: Any = {
        "type": values.file_type(document.media_type, document.name or ""),
        "added": document.created_at.isoformat(),
        "tags": ", ".join(document.tags),
    }.get(column.name) or getattr(document, column.name, None)
    return grid.GridCell(column, values.written(value, column), False)


def _title(document: library.Document) -> Markup:
    """The title as a link, with the name of its file and a note below."""
    below = [one for one in (document.name, document.meta.get("note")) if one and one != document.title]
    small = Markup().join(SMALL.format(safe_text.cell(str(one), 160)) for one in below)
    return ROW.format(document.id, safe_text.cell(document.title, 120), small)


def _facets(owner: str, query: library.DocumentQuery, here: grid.GridAddress) -> list[grid.Facet]:
    found = []
    for column in COLUMNS:
        if column.facet:
            counts = library.document_values(owner, query, column.name)
            chosen = query.where.get(column.name)
            if len(counts) > 1 or chosen:
                found.append(grid.facet(column, counts, chosen, here))
    return found
