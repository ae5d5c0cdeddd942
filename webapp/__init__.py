"""The web side of Legwork: speaks HTTP, never does the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from jobs.engine import settings
from webapp.accounts import audit, first_account, oidc, own_account, people, sign_in
from webapp.chat import api as chat_api
from webapp.chat import openai_compat, pages
from webapp.http import errors, guards
from webapp.http.routing import LazyRule
from webapp.jobs import (
    api,
    approvals,
    cancellations,
    catalogue,
    file_preview,
    files,
    history,
    item_previews,
    progress,
    retries,
    shares,
    submissions,
    trials,
    zip_download,
)
from webapp.library import api as library_api
from webapp.library import pages as library_pages
from webapp.mail import api as mail_api
from webapp.mail import outbox, suppressions
from webapp.moderation import api as moderation_api
from webapp.moderation import pages as moderation_pages
from webapp.operations import all_schedules, health, rq_dashboard, webhooks
from webapp.operations import api as operations_api
from webapp.operations import pages as operations_pages
from webapp.schedules import api as schedules_api
from webapp.schedules import pages as schedules_pages
from webapp.ui import theme


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The contents page of the site. `config` goes over Flask's own, for tests. Opens no connection."""
    app = Flask(__name__, template_folder="../templates")
    app.url_rule_class = LazyRule
    guards.guard(app, settings.current())
    errors.answer_errors(app)

    app.register_blueprint(theme.blueprint)  # what stands round every page
    app.register_blueprint(catalogue.blueprint)  # /  /kinds/<kind>
    app.register_blueprint(submissions.blueprint)  # a form, posted
    app.register_blueprint(item_previews.blueprint)  # /kinds/<kind>/preview
    app.register_blueprint(trials.blueprint)  # /kinds/<kind>/try
    app.register_blueprint(history.blueprint)  # /jobs
    app.register_blueprint(progress.blueprint)  # /jobs/<id>
    app.register_blueprint(cancellations.blueprint)  # stop
    app.register_blueprint(approvals.blueprint)  # yes or no to a call
    app.register_blueprint(retries.blueprint)  # retry, again with changes
    app.register_blueprint(moderation_pages.blueprint)  # /jobs/<id>/thresholds  /jobs/<id>/decisions
    app.register_blueprint(schedules_pages.blueprint)  # /schedules
    app.register_blueprint(library_pages.blueprint)  # /library  /search
    app.register_blueprint(webhooks.blueprint)  # /webhooks
    app.register_blueprint(files.blueprint)  # /files/<id>  /jobs/<id>/items.<format>
    app.register_blueprint(file_preview.blueprint)  # /files/<id>/preview
    app.register_blueprint(zip_download.blueprint)  # /jobs/<id>/all.zip
    app.register_blueprint(pages.blueprint)  # /chat
    app.register_blueprint(outbox.blueprint)  # /outbox
    app.register_blueprint(suppressions.blueprint)  # /suppressions
    app.register_blueprint(shares.blueprint)  # /jobs/<id>/share  /shared
    app.register_blueprint(sign_in.blueprint)  # /login  /logout
    app.register_blueprint(first_account.blueprint)  # /first/<secret>
    app.register_blueprint(oidc.blueprint)  # /login/provider
    app.register_blueprint(own_account.blueprint)  # /account
    app.register_blueprint(people.blueprint)  # /people
    app.register_blueprint(all_schedules.blueprint)  # /operations/schedules
    app.register_blueprint(audit.blueprint)  # /audit
    app.register_blueprint(api.blueprint)  # /api/v1
    app.register_blueprint(moderation_api.blueprint)  # /api/v1/jobs/<id>/verdicts
    app.register_blueprint(schedules_api.blueprint)  # /api/v1/schedules
    app.register_blueprint(library_api.blueprint)  # /api/v1/documents  /api/v1/search
    app.register_blueprint(mail_api.blueprint)  # /api/v1/outbox  /api/v1/suppressions
    app.register_blueprint(chat_api.blueprint)  # /api/v1/chat
    app.register_blueprint(openai_compat.blueprint)  # /v1
    app.register_blueprint(operations_pages.blueprint)  # /operations
    app.register_blueprint(operations_api.blueprint)  # /api/v1/operations  /api/v1/queues  /api/v1/workers
    app.register_blueprint(health.blueprint)  # /healthz  /readyz  /metrics
    rq_dashboard.mount(app)  # /rq

    guards.csrf.exempt(api.blueprint)  # guarded by Origin and Sec-Fetch-Site
    guards.csrf.exempt(moderation_api.blueprint)
    guards.csrf.exempt(schedules_api.blueprint)
    guards.csrf.exempt(library_api.blueprint)
    guards.csrf.exempt(mail_api.blueprint)
    guards.csrf.exempt(chat_api.blueprint)
    guards.csrf.exempt(openai_compat.blueprint)
    guards.csrf.exempt(operations_api.blueprint)
    guards.csrf.exempt(rq_dashboard.dashboard.blueprint)  # takes no state change at all
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config.update(config or {})
    return app
