"""The outbox and suppressed addresses: pages and API."""

from __future__ import annotations

from webapp.mail import api, outbox, suppressions

PAGES = (outbox.blueprint, suppressions.blueprint)
API = (api.blueprint,)
