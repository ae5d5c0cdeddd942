"""Reviewing verdicts: pages and API."""

from __future__ import annotations

from webapp.moderation import api, pages

PAGES = (pages.blueprint,)
API = (api.blueprint,)
