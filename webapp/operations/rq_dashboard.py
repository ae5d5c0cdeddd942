"""rq-dashboard at /rq, for operators: a read-only view of the messages in Redis.

rq-dashboard 0.9.0 expects an older RQ with pickled jobs, and has no access control. As mounted here it reads only JSON, shows
other messages as absent, requires an operator, and changes nothing.
"""

from __future__ import annotations

import html
import json
import re
import secrets
import zlib
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, request
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import DeserializationError, InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from jobs.engine import queue
from jobs.engine.db import redis
from jobs.engine.errors import BrokerUnavailable, NotFound
from webapp.http import guards, identity
from webapp.http.errors import answer
from webapp.http.lazy_modules import put_off

put_off("arrow")  # 2 MB of memory that only these pages use
import rq_dashboard  # noqa: E402
from rq_dashboard import web as dashboard  # noqa: E402

PREFIX = "/rq"
REGISTRIES = ("queued", "started", "finished", "failed", "deferred", "scheduled", "canceled")
ESCAPES_AGAIN = re.compile(
    r"\$\('<div/>'\)\.text\((d\.\w+)\)\.html\(\)"
)  # in its list of jobs, whose JSON is escaped here
CHANGING = ("rq_dashboard.requeue_all",)  # it would change the queues on a GET
UNREADABLE = (
    ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error, DeserializationError, InvalidJobOperation,
)  # fmt: skip
SHOWN_CHARACTERS = 10_000  # of one text in its JSON

# It compiles its templates in the browser (unsafe-eval), and some elements have a style attribute. Scripts need the nonce of
# this one response, so no other script of this origin, such as htmx, can be loaded into its pages.
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'unsafe-eval'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-src 'none'; frame-ancestors 'none'"
)


def mount(app: Flask) -> None:
    """Mount rq-dashboard at /rq."""
    app.config["RQ_DASHBOARD_REDIS_URL"] = ("the broker",)  # shown on its pages, where a URL could reveal a password
    app.config["RQ_DASHBOARD_DISABLE_DELETE"] = True
    if _guard not in rq_dashboard.blueprint.before_request_funcs.get(None, []):
        _make_safe(rq_dashboard.blueprint)
    app.register_blueprint(rq_dashboard.blueprint, url_prefix=PREFIX)
    guards.csrf.exempt(rq_dashboard.blueprint)  # it accepts no state changes
    identity.close(app, "rq_dashboard.", "operator")


def _make_safe(blueprint: Blueprint) -> None:
    """Add the hooks once for each process, because the blueprint is a module global."""
    dashboard.config.serializer = JSONSerializer
    dashboard.Job, dashboard.Queue, dashboard.Worker = ShownJob, ShownQueue, ShownWorkers
    dashboard.from_url = lambda *_, **__: (None, redis.broker())
    blueprint.before_request_funcs.setdefault(None, []).insert(0, _guard)
    blueprint.after_request(_secure)
    blueprint.register_error_handler(NoSuchJobError, _no_such_job)
    blueprint.register_error_handler(RedisError, _broker_away)


class ShownJob(queue.QueueMessage):
    """A message; fields that are not Legwork's are left out, and values that are not readable JSON are shown as absent."""

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: object = None) -> Job:
        try:
            return super().fetch(id, connection=connection, serializer=JSONSerializer)
        except UNREADABLE as error:
            raise NoSuchJobError(f"{id} is not a message that can be read.") from error

    @property
    def dependency_ids(self) -> list[str]:
        """None: Legwork's messages do not wait for others. rq-dashboard cannot read RQ's."""
        return []

    def get_status(self, refresh: bool = True) -> JobStatus:
        status: JobStatus = self._readable(lambda: super(ShownJob, self).get_status(refresh), JobStatus.CREATED)
        return status

    def latest_result(self, timeout: int = 0) -> Any:
        return self._readable(super().latest_result, None)

    def return_value(self, refresh: bool = False) -> Any:
        return self._readable(super().return_value, None)

    def get_meta(self, refresh: bool = True) -> dict[str, Any]:
        meta: dict[str, Any] = self._readable(super().get_meta, {})
        return meta

    def get_call_string(self) -> str | None:
        call: str | None = self._readable(super().get_call_string, self.description)
        return call

    def _readable(self, read: Callable[[], Any], otherwise: object) -> Any:
        try:
            return read()
        except UNREADABLE:
            return otherwise


class ShownQueue(Queue):
    job_class = ShownJob

    def fetch_job(self, job_id: str) -> Job | None:
        """Unlike RQ's method, it does not remove an id without a message."""
        try:
            return self.job_class.fetch(job_id, connection=self.connection)
        except NoSuchJobError:
            return None


class ShownWorkers(Worker):
    @classmethod
    def all(cls, connection: Redis | None = None, **_: object) -> list[Any]:  # type: ignore[override]
        return Worker.all(connection=connection, job_class=ShownJob, queue_class=ShownQueue, serializer=JSONSerializer)


def _guard() -> None:
    identity.require_operator()
    if request.method not in ("GET", "HEAD", "OPTIONS") or request.endpoint in CHANGING:
        abort(405, description="Nothing can be changed here. Stop and retry jobs on their own pages.")
    if not _known(request.view_args or {}):
        raise NotFound("There is no such page.")
    current_app.redis_conn = redis.broker()  # type: ignore[attr-defined]
    if request.endpoint != "rq_dashboard.static":
        _reach_broker()


def _known(arguments: dict[str, Any]) -> bool:
    """Whether rq-dashboard can handle these URL parameters; it fails on others."""
    figures = [str(arguments[name]) for name in ("per_page", "page") if name in arguments]
    return (
        arguments.get("instance_number", 0) == 0
        and arguments.get("registry_name", "queued") in REGISTRIES
        and arguments.get("order", "asc") in ("asc", "dsc")
        and all(re.fullmatch(r"[1-9][0-9]{0,5}", figure) for figure in figures)
    )


def _reach_broker() -> None:
    try:
        redis.broker().ping()
    except RedisError as error:
        raise BrokerUnavailable(_AWAY) from error


_AWAY = "The broker (Redis) does not answer, so there is nothing to show. Jobs are safe in the database meanwhile."


def _no_such_job(_: NoSuchJobError) -> Response:
    return answer(
        404, "There is no readable message with that id in Redis. Messages of ended jobs expire after some minutes."
    )


def _broker_away(_: RedisError) -> Response:
    return answer(503, _AWAY, reason=BrokerUnavailable.reason)


def _secure(response: Response) -> Response:
    """Escape what its scripts put into the page as HTML, and allow no script but its own."""
    nonce = secrets.token_urlsafe(16)
    response.headers["Content-Security-Policy"] = POLICY.format(nonce=nonce)
    if response.direct_passthrough:
        return response
    if response.mimetype == "text/html":
        page = response.get_data(as_text=True).replace("<script ", f'<script nonce="{nonce}" ')
        response.set_data(ESCAPES_AGAIN.sub(r"\1", page))
    elif response.mimetype == "application/json":
        response.set_data(json.dumps(_escaped(response.get_json())))
    return response


def _escaped(value: object) -> Any:
    """JSON with every text and key escaped for HTML, once: messages of ours hold escaped texts already."""
    match value:
        case str():
            return html.escape(html.unescape(value[:SHOWN_CHARACTERS]))
        case dict():
            return {_escaped(key): _escaped(item) for key, item in value.items()}
        case list():
            return [_escaped(item) for item in value]
    return value
