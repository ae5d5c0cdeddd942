"""Code for all pages: theme, words, safe text, Markdown."""

from __future__ import annotations

from webapp.ui import theme

PAGES = (theme.blueprint,)
API = ()
