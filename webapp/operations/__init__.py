"""For operators: queues, workers, health, metrics, rq-dashboard."""

from __future__ import annotations

from webapp.operations import all_schedules, api, health, pages, webhooks

PAGES = (pages.blueprint, all_schedules.blueprint, webhooks.blueprint, health.blueprint)
API = (api.blueprint,)
