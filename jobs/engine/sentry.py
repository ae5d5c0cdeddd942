"""Faults to Sentry where SENTRY_DSN is set; else nothing, and nothing of it is imported.

Its client has a thread, so it begins in processes that fork no more: each web process, each child of a worker. Nothing that
people wrote is sent but what an error says, and there the secrets of the settings and of the run are masked.
"""

from __future__ import annotations

import importlib
from typing import Any

from jobs import __version__
from jobs.engine import logs, settings
from jobs.engine.masking import SecretMasker

SECONDS = 1.0  # for Sentry to take a fault; the process of a job waits for it

_hider = SecretMasker()


def load() -> None:
    """Import what reporting takes, if it is asked for, so that forks share it."""
    if settings.current().sentry_dsn:
        importlib.import_module("sentry_sdk.integrations.logging")


def begin(role: str) -> None:
    """From now on this process reports: log lines of errors by itself. `role`: web or worker."""
    chosen = settings.current()
    if not chosen.sentry_dsn:
        return
    import sentry_sdk
    from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger

    _hider.add(chosen.secrets)
    sentry_sdk.init(
        chosen.sentry_dsn,
        release=f"legwork@{__version__}",
        integrations=[LoggingIntegration()],
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        send_default_pii=False,
        before_send=_masked,
    )
    sentry_sdk.set_tag("role", role)
    ignore_logger("rq.worker")  # to RQ every job that fails is an error; a fault is reported by itself


def report(error: BaseException, hider: SecretMasker) -> None:
    """Send an error that nobody expected, with what this hider knows masked too; come back when it is sent."""
    if not settings.current().sentry_dsn:
        return
    import sentry_sdk

    with sentry_sdk.new_scope() as scope:
        scope.add_event_processor(lambda event, _: hider.value(event))
        sentry_sdk.capture_exception(error)
    sentry_sdk.flush(SECONDS)


def _masked(event: Any, _: Any) -> Any:
    """The event without our secrets, and with the job that it is about."""
    said = (event.get("logentry") or {}).get("message") or ""
    if job := logs.job_of(said):
        event["tags"] = {**event.get("tags", {}), "job": job}
    return _hider.value(event)
