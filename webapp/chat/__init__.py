"""Chat: its page, streams, API, and OpenAI's wire format."""

from __future__ import annotations

from webapp.chat import api, openai_compat, pages

PAGES = (pages.blueprint,)
API = (api.blueprint, openai_compat.blueprint)
