"""Chat: its page, streams and API."""

from __future__ import annotations

from webapp.chat import api, pages

PAGES = (pages.blueprint,)
API = (api.blueprint,)
