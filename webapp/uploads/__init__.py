"""Uploads that can be resumed, by the tus protocol."""

from __future__ import annotations

from webapp.uploads import api

PAGES = ()
API = (api.blueprint,)
