"""Health of the components that Legwork depends on, each with what to do if it does not work."""

from __future__ import annotations

import io
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from jobs.engine import settings
from jobs.engine.db import failures, migrations, postgres, redis
from jobs.engine.errors import LegworkError, SettingsError
from jobs.engine.files.storage import blob_storage
from jobs.engine.files.storage_id import SHARE, hosts_with_other_storage
from jobs.engine.llm import client, model_list, openai_client, providers
from jobs.engine.mail import smtp
from jobs.engine.queue import delivery

CLOCK_SILENT_SECONDS = 10
LEAST_FREE_BYTES = 1_000_000_000
_UNSET = "Set {}, or start everything with `make run`, which includes it."
FULL_CONNECTIONS = 0.9  # share of max_connections from which there is a warning


@dataclass(frozen=True)
class Component:
    """`state`: ok, off (optional and not set up), wrong. `advice`: what to do if it is wrong."""

    name: str
    state: str
    words: str
    detail: str = ""
    advice: str = ""


def components(*, thorough: bool = False) -> list[Component]:
    """Check all components. `thorough`: also store a file, sign in to the mail server and look for the model by name (slower)."""
    checks = (
        database_health,
        broker_health,
        clock_health,
        lambda: model_health(thorough),
        lambda: files_health(thorough),
        lambda: mail_health(thorough),
    )
    return [check() for check in checks]


_DATABASE = text("""
    select current_setting('server_version') as version, pg_database_size(current_database()) as bytes,
        (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
        (select count(*) from pg_stat_activity where usename = current_user) as ours,
        current_setting('max_connections')::int as most
""")


def database_health() -> Component:
    if not settings.current().database_url:
        return Component("Database", "wrong", "Not set", "", _UNSET.format("DATABASE_URL"))
    began = time.monotonic()
    try:
        with postgres.session() as session:
            row = session.execute(_DATABASE).one()
            allowed = session.execute(text(postgres.ALLOWED)).scalar_one()
            current = migrations.is_current(session.connection())
    except LegworkError as error:
        return Component("Database", "wrong", "Does not answer", "", _database_advice(error))
    words = f"Answers in {_milliseconds(time.monotonic() - began)}"
    detail = f"PostgreSQL {row.version.split()[0]}{_built_in('database')}, {_size(row.bytes)}, "
    detail += f"{row.ours} of {allowed} connections that its user may have"
    if not current:
        return Component("Database", "wrong", "The schema is out of date", detail, "Run `python -m jobs migrate`.")
    if row.ours > FULL_CONNECTIONS * allowed or row.connections > FULL_CONNECTIONS * row.most:
        advice = "Pages and jobs wait for a free one. Start fewer processes, or raise what Postgres allows."
        return Component("Database", "wrong", "Nearly out of connections", detail, advice)
    return Component("Database", "ok", words, detail)


def _database_advice(error: LegworkError) -> str:
    return failures.why(error) or f"{error.message} DATABASE_URL names it."


def broker_health() -> Component:
    if not settings.current().redis_url:
        return Component("Broker", "wrong", "Not set", "", _UNSET.format("REDIS_URL"))
    began = time.monotonic()
    try:
        info = redis.broker().info()
        complaint = delivery.broker_problem()
    except (RedisError, LegworkError) as error:
        advice = failures.why(error) or "Start Redis again, or check REDIS_URL."
        return Component(
            "Broker", "wrong", "Does not answer", "", f"{advice} Jobs are safe in the database until then."
        )
    most = f" of {_size(info['maxmemory'])}" if info.get("maxmemory") else ""
    policy = info.get("maxmemory_policy", "noeviction")
    program = (
        f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info.get('redis_version', '?')}"
    )
    detail = f"{program}{_built_in('broker')}, {_size(info.get('used_memory', 0))}{most}, "
    detail += "no eviction" if policy == "noeviction" or not most else f"evicts by {policy}"
    if settings.current().redis_url.startswith("rediss") and settings.current().redis_tls == "unverified":
        detail += ", its certificate is not verified"
    if complaint:
        return Component("Broker", "wrong", "Misconfigured", detail, complaint)
    return Component("Broker", "ok", f"Answers in {_milliseconds(time.monotonic() - began)}", detail)


_CLOCK = text("""
    select activity.application_name as name, extract(epoch from clock_timestamp() - activity.state_change)::float8 as age
    from pg_locks join pg_stat_activity as activity using (pid)
    where locktype = 'advisory' and classid = 0 and objid = :lock and granted
        and pg_locks.database = (select oid from pg_database where datname = current_database())
""")
CLOCK_LOCK = 7_023_462  # as clock.py takes it


def clock_health() -> Component:
    advice = "Start a worker, which includes a clock: `python -m jobs worker`."
    try:
        with postgres.session() as session:
            row = session.execute(_CLOCK, {"lock": CLOCK_LOCK}).first()
    except LegworkError as error:
        return Component("Clock", "wrong", "Unknown", "", error.message)
    if row is None:
        return Component(
            "Clock", "wrong", "Not running", "Lost jobs are not recovered, and schedules do not run", advice
        )
    where = row.name.removeprefix("legwork clock ") if row.name.startswith("legwork clock ") else "somewhere"
    if row.age > CLOCK_SILENT_SECONDS:
        return Component(
            "Clock", "wrong", f"Silent for {row.age:.0f} s", f"On {where}", f"Restart its program. {advice}"
        )
    return Component("Clock", "ok", f"Last round {max(row.age, 0):.1f} s ago", f"On {where}")


def model_health(thorough: bool = False) -> Component:
    if (missing := providers.setup_error()) is not None:
        return Component("Model", "off", "Not connected", missing.removeprefix("No model is connected. "))
    info = client.describe()
    detail = f"{info.name}{_built_in('model') or f', at {info.host}'}"
    asked_for_its_name = thorough and "model" not in settings.current().built_in
    trouble = openai_client.model_error() if asked_for_its_name else model_list.provider_error()
    return (
        Component("Model", "wrong", "Does not answer", detail, trouble)
        if trouble
        else Component("Model", "ok", "Answers", detail)
    )


def files_health(thorough: bool = False) -> Component:
    found = _storage_health(thorough)
    if found.state == "wrong" or not (hosts := _hosts_with_other_storage()):
        return found
    words = f"Not shared with the workers on {', '.join(hosts)}"
    return Component("Files", "wrong", words, found.detail, f"Their jobs do not find uploads. {SHARE}")


def _hosts_with_other_storage() -> list[str]:
    try:
        with postgres.session() as session:
            return hosts_with_other_storage(session)
    except (LegworkError, ProgrammingError):  # the schema may be of another version
        return []


def _storage_health(thorough: bool) -> Component:
    chosen = settings.current()
    if chosen.storage_url:
        place = f"Bucket {chosen.storage_url.split('?')[0]}"
        trouble = _round_trip() if thorough else ""
        advice = f"{trouble} Check STORAGE_URL and the permissions of its key."
        return (
            Component("Files", "wrong", "Cannot be written", place, advice)
            if trouble
            else Component("Files", "ok", "In a bucket", place)
        )
    if most := chosen.files_in_database_bytes:
        return Component("Files", "ok", f"In the database, up to {most // 1_000_000} MB each", "FILES_IN_DATABASE_MB")
    folder = chosen.data_dir
    place = f"Folder {folder}"
    trouble = _round_trip() if thorough else ""
    try:
        free = shutil.disk_usage(_existing(folder)).free
    except OSError as error:
        return Component("Files", "wrong", "Cannot be read", place, f"{error.strerror}. DATA_DIR names the folder.")
    if trouble:
        return Component("Files", "wrong", "Cannot be written", place, f"{trouble} DATA_DIR names the folder.")
    words = f"{_size(free)} free"
    if free < LEAST_FREE_BYTES:
        return Component("Files", "wrong", words, place, "Free space on this disk, or delete jobs with large results.")
    return Component("Files", "ok", words, place)


def mail_health(thorough: bool = False) -> Component:
    if not smtp.is_configured():
        return Component("Mail", "off", "Not sent", "Messages stay in the outbox until SMTP_URL is set")
    try:
        if thorough:
            smtp.try_connection()
        return Component("Mail", "ok", "Answers" if thorough else "Set up", f"Through {smtp.delivery_target()}")
    except LegworkError as error:
        return Component("Mail", "wrong", "Cannot be sent", "", f"{error.message} SMTP_URL names the server.")


def _round_trip() -> str:
    """Why a small file cannot be stored and read back, as a sentence; empty if it can."""
    try:
        blob = blob_storage().put(io.BytesIO(b"legwork"), None)
        with blob_storage().open(blob.key) as stored:
            same = stored.read() == b"legwork"
        blob_storage().delete(blob.key)
    except LegworkError as error:
        return error.message
    except OSError as error:
        return f"{error.strerror or error}."
    return "" if same else "The bytes read back differ from those written."


def _existing(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)


def _built_in(part: str) -> str:
    return ", built in" if part in settings.current().built_in else ""


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds >= 0.001 else "under 1 ms"


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def check_ready() -> None:
    """Raise unless the database answers and its schema is that of this version."""
    with postgres.session() as session:
        if not migrations.is_current(session.connection()):
            raise SettingsError("The database schema is out of date; run `python -m jobs migrate`.")
