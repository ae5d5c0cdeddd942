"""What came of a job: its figures and what it returned, the grid of its items, the page of one item."""

from __future__ import annotations

from webapp.results import items

PAGES = (items.blueprint,)
API = ()
