"""The library: documents, search, and their API."""

from __future__ import annotations

from webapp.library import api, pages

PAGES = (pages.blueprint,)
API = (api.blueprint,)
