"""The WSGI application: every page and the API, from the packages of `webapp`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from jinja2 import ChoiceLoader, FileSystemLoader

from jobs.engine import kind_packages, settings
from webapp import (
    accounts,
    chat,
    jobs,
    library,
    mail,
    moderation,
    openai_api,
    openapi,
    operations,
    results,
    schedules,
    ui,
    uploads,
)
from webapp.http import compression, errors, guards
from webapp.http.routing import LazyRule
from webapp.operations import rq_dashboard

INSTALLED = Path(__file__).parent / "templates"  # in a wheel
TEMPLATES = INSTALLED if INSTALLED.is_dir() else "../templates"
PACKAGES = (ui, jobs, results, moderation, schedules, library, chat, openai_api, mail, accounts, operations, uploads)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The WSGI application. `config` overrides Flask's own, for tests. Opens no connection."""
    app = Flask("webapp", template_folder=TEMPLATES)
    app.url_rule_class = LazyRule
    own = [app.jinja_loader] if app.jinja_loader else []
    app.jinja_loader = ChoiceLoader([*own, *(FileSystemLoader(f / "templates") for f in kind_packages.extra_folders())])
    guards.guard(app, settings.current())
    errors.answer_errors(app)
    app.after_request(compression.gzip_static)
    for package in PACKAGES:
        for blueprint in package.PAGES:
            app.register_blueprint(blueprint)
        for blueprint in package.API:
            app.register_blueprint(blueprint)
            guards.csrf.exempt(blueprint)  # guarded by Origin and Sec-Fetch-Site instead
    app.register_blueprint(openapi.blueprint)  # /api/v1/openapi.json
    rq_dashboard.mount(app)  # /rq
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config.update(config or {})
    return app
