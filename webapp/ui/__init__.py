"""What all pages share: theme, words, safe texts, Markdown."""

from __future__ import annotations

from webapp.ui import theme

PAGES = (theme.blueprint,)
API = ()
