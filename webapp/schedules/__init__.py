"""Schedules: their pages and API."""

from __future__ import annotations

from webapp.schedules import api, pages

PAGES = (pages.blueprint,)
API = (api.blueprint,)
