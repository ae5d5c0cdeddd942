"""Reports of a web process: errors to Sentry, and an OpenTelemetry span for each request, with the job that it is about."""

from __future__ import annotations

import re

from flask import Flask, Response, g, request

from jobs.engine import sentry, settings, tracing

QUIET = ("static", "health.healthz", "health.readyz", "health.figures")  # polled by machines

_JOB = re.compile(r"/jobs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")


def follow(app: Flask) -> None:
    """Start the reports that the settings ask for, in this process."""
    sentry.begin("web")
    if settings.current().otlp_endpoint:
        app.before_request_funcs.setdefault(None, []).insert(
            0, _begin
        )  # before the checks, to include refused requests
        app.after_request(_note)
        app.teardown_request(_end)


def _begin() -> None:
    if request.endpoint not in QUIET:
        route = str(request.url_rule or "")
        about: dict[str, str | int] = {
            "http.request.method": request.method,
            "http.route": route,
            "url.path": request.path,
        }
        g.span = tracing.request(f"{request.method} {route}".strip(), about, request.headers.get("traceparent", ""))
        g.span_about = {}


def _note(response: Response) -> Response:
    if "span" in g:
        g.span_about["http.response.status_code"] = response.status_code
        if job := _JOB.search(request.path) or _JOB.search(response.headers.get("Location", "")):
            g.span_about["legwork.job"] = job[1]
    return response


def _end(_: object) -> None:
    if span := g.pop("span", None):
        about = g.pop("span_about")
        span.end(about, failed=about.get("http.response.status_code", 500) >= 500)
        tracing.send_later(span)
