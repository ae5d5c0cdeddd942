"""Error reports to Sentry, if SENTRY_DSN is set; otherwise the package is not imported.

The client starts a thread, so it is set up in processes that do not fork: web processes and the children of workers. Reports
have no local variables and no request data; the secrets of the settings and of the run are masked.
"""

from __future__ import annotations

import importlib
from typing import Any

from jobs import __version__
from jobs.engine import logs, settings
from jobs.engine.masking import SecretMasker

SECONDS = 1.0  # timeout for sending a report; the process of a job waits for it

_masker = SecretMasker()


def load() -> None:
    """Import the client, if SENTRY_DSN is set, so that forked processes share it."""
    if settings.current().sentry_dsn:
        importlib.import_module("sentry_sdk.integrations.logging")


def begin(role: str) -> None:
    """Set up the client in this process; log records at level error are then sent too. `role`: web or worker."""
    chosen = settings.current()
    if not chosen.sentry_dsn:
        return
    import sentry_sdk
    from sentry_sdk.integrations.logging import LoggingIntegration

    _masker.add(chosen.secrets)
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


def report(error: BaseException, masker: SecretMasker) -> None:
    """Send an unexpected error, with the masker's secrets masked too; wait until it is sent."""
    if not settings.current().sentry_dsn:
        return
    import sentry_sdk

    with sentry_sdk.new_scope() as scope:
        scope.add_event_processor(lambda event, _: masker.value(event))
        sentry_sdk.capture_exception(error)
    sentry_sdk.flush(SECONDS)


def _masked(event: Any, _: Any) -> Any:
    """The event with the settings' secrets masked, tagged with the job that it is about."""
    message = (event.get("logentry") or {}).get("message") or ""
    if job := logs.job_of(message):
        event["tags"] = {**event.get("tags", {}), "job": job}
    return _masker.value(event)
