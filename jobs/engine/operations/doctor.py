"""`python -m jobs doctor`: checks every setting and component, and says what to do about errors."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from contextlib import suppress

from redis.exceptions import RedisError
from sqlalchemy import text

from jobs.engine import accounts, machine_memory, settings
from jobs.engine.db import postgres, redis
from jobs.engine.errors import LegworkError, SettingsError
from jobs.engine.formats import libreoffice
from jobs.engine.formats.extraction import recognition
from jobs.engine.kinds import catalogue
from jobs.engine.operations.health import Component, components
from jobs.engine.operations.queue_figures import QueueFigures, queues
from jobs.engine.operations.secret_rotation import count_stale_secrets
from jobs.engine.sandbox import confined


def examine() -> list[Component]:
    """Check everything; only the settings if they are not valid."""
    try:
        chosen = settings.current()
        chosen.refuse_open_host()
    except SettingsError as error:
        return [Component("Settings", "wrong", "Cannot be used", "", error.message)]
    found = [Component("Settings", "ok", "Can be read", f"Data in {chosen.data_dir}"), *components(thorough=True)]
    return [
        *found,
        *_connection_parts(found),
        _memory_part(),
        *_proxy_parts(found),
        *_secret_parts(found),
        *_queue_parts(found),
        _kinds_part(),
        _recognition_part(),
        _office_part(),
        _confinement_part(),
    ]


def format_report(found: Sequence[Component]) -> str:
    """The results as text, one line for each component, which ends with what to do."""
    wide = max(len(part.name) for part in found)
    lines = [f"{part.state:<6} {part.name:<{wide}}  {_sentences(part)}" for part in found]
    wrong = sum(part.state == "wrong" for part in found)
    end = "Nothing is wrong." if not wrong else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong."
    return "\n".join([*lines, "", end])


def _sentences(part: Component) -> str:
    return " ".join(f"{text.rstrip('.')}." for text in (part.words, part.detail, part.advice) if text)


_FORMATION = text("select count(*), count(distinct program) from workers where beat_at > now() - interval '10 s'")


def _connection_parts(found: Sequence[Component]) -> list[Component]:
    """What this web's processes and the workers that are there take together, beside what Postgres and Redis allow."""
    if any(part.name == "Database" and part.state == "wrong" for part in found):
        return []
    with postgres.session() as session:
        allowed = session.execute(text(postgres.ALLOWED)).scalar_one()
        workers, programs = session.execute(_FORMATION).one()
    chosen = settings.current()
    each = chosen.database_connections or postgres.connections_for(allowed)
    # Of the database a supervisor and a clock, a worker and its child; of the broker besides one for a worker's heartbeats.
    parts = [_sum("Connections", each * chosen.web_concurrency, 2 * programs + 2 * workers, workers, allowed)]
    with suppress(RedisError, LegworkError):
        most = redis.broker().info("clients").get("maxclients")
        web = redis.MOST_CONNECTIONS * chosen.web_concurrency
        parts += [_sum("Broker connections", web, 2 * programs + 3 * workers, workers, most)] if most else []
    return parts


_ADVICE = {
    "Connections": "Pages and jobs wait. Lower DATABASE_CONNECTIONS, start fewer processes, or raise the limit of Postgres",
    "Broker connections": "Jobs wait while Redis refuses. Start fewer processes, or raise maxclients",
}


def _sum(name: str, web: int, rest: int, workers: int, allowed: int) -> Component:
    whose = f"{workers} {'worker' if workers == 1 else 'workers'}"
    words = f"Up to {web} for each web, {rest} for {whose}: {web + rest} of {allowed}"
    fits = web + rest <= allowed
    return Component(name, "ok" if fits else "off", words, "", "" if fits else _ADVICE[name])


def _memory_part() -> Component:
    """The room of a worker on this machine, or in the container that this command runs in."""
    container, room = machine_memory.of_container(), machine_memory.job_limit() >> 20
    size = container or next(machine_memory.sizes(), 0)
    words = f"{size >> 20:,} MB in this {'container' if container else 'machine'}"
    if container is None or not machine_memory.is_little():
        return Component("Memory", "ok", words, f"A job may take {room:,} MB")
    advice = "Documents are indexed, and files are read, in about 400 MB: give workers 1 GB to run two jobs at a time"
    return Component("Memory", "ok", words, f"A worker runs one job at a time here, which may take {room:,} MB", advice)


def _proxy_parts(found: Sequence[Component]) -> list[Component]:
    """A warning where everybody seems to come from a proxy that TRUSTED_PROXIES does not name."""
    if settings.current().trusted_proxies or any(part.name == "Database" and part.state == "wrong" for part in found):
        return []
    with suppress(LegworkError, ValueError):
        if (address := accounts.one_address()) and not ipaddress.ip_address(address).is_global:
            advice = f"If {address} is a proxy, set TRUSTED_PROXIES=private: the audit log has no other address"
            return [Component("Proxy", "off", f"All people sign in from {address}", "", advice)]
    return []


def _secret_parts(found: Sequence[Component]) -> list[Component]:
    """An error where secrets are stored in clear, as early versions did, or cannot be read with the present key."""
    if any(part.name == "Database" and part.state == "wrong" for part in found):
        return []
    clear = unreadable = 0
    with suppress(LegworkError):
        clear, unreadable = count_stale_secrets()
    parts = []
    if clear:
        advice = "Run `python -m jobs rotate-secrets`, then make a new backup: earlier ones have them too"
        parts.append(Component("Secrets", "wrong", f"Stored in clear: {clear:,} of jobs and schedules", "", advice))
    if unreadable:
        words = f"Under another SECRET_KEY: {unreadable:,} of jobs and schedules"
        advice = "Run `python -m jobs rotate-secrets --old-key-file FILE` with the key of before"
        parts.append(Component("Secrets", "wrong", words, "They cannot run", advice))
    return parts


def _queue_parts(found: Sequence[Component]) -> list[Component]:
    unknown = [Component("Workers", "wrong", "Unknown", "", "Repair the database first.")]
    if any(part.name == "Database" and part.state == "wrong" for part in found):
        return unknown
    try:
        with postgres.session() as session:
            return [_queue_part(queue) for queue in queues(session)]
    except LegworkError:
        return unknown


def _queue_part(queue: QueueFigures) -> Component:
    name = f"Queue {queue.name}"
    waiting = f"{queue.waiting:,} waiting, {queue.running:,} running"
    if queue.paused_at is not None:
        return Component(name, "off", f"Paused by {queue.paused_by}", waiting)
    if not queue.workers:
        advice = f"Start a worker: `python -m jobs worker --queues {queue.name}`"
        return Component(name, "wrong", "No worker serves it", waiting, advice)
    return Component(
        name, "ok", f"{queue.workers} {'worker serves' if queue.workers == 1 else 'workers serve'} it", waiting
    )


def _kinds_part() -> Component:
    kinds = catalogue.kinds(hidden=True)
    away = [kind for kind in kinds if not kind.available]
    words = f"{len(kinds) - len(away)} of {len(kinds)} are available"
    detail = "; ".join(f"{kind.title}: {kind.reason}" for kind in away)
    return Component("Kinds", "off" if away else "ok", words, detail)


def _recognition_part() -> Component:
    if recognition.available():
        return Component("Text recognition", "ok", "Pictures and scanned pages can be read")
    advice = "Install the extra [ocr]: `pip install -r requirements-ocr.txt`"
    return Component(
        "Text recognition", "off", "The extra [ocr] is not installed", "Scanned pages stay without text", advice
    )


def _office_part() -> Component:
    if program := libreoffice.program():
        return Component(
            "LibreOffice", "ok", "Office files become PDFs that look like them; DOC and PPT are read", program
        )
    advice = "Install it: `apt-get install libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui`"
    words = "There is no soffice on the PATH"
    return Component("LibreOffice", "off", words, "DOC and PPT are refused, and PDFs have a plain look", advice)


_HOW = {
    "filter": "A seccomp filter refuses sockets and other processes",
    "namespace": "They have an empty network namespace",
}


def _confinement_part() -> Component:
    """What the kernel takes from child processes here, by starting one."""
    reply = confined.run("jobs.engine.sandbox", {})
    how = _HOW.get(reply["network"])
    if how is None:
        words, detail = "Processes that read untrusted files have network access", "Their other limits hold"
        advice = "On Linux they have none. Restrict this machine's outgoing connections with a firewall."
        return Component("Sandbox", "off", words, detail, advice)
    words = "Processes that read untrusted files have no network"
    if reply["files"]:
        return Component("Sandbox", "ok", words, f"{how}, Landlock other files")
    detail = f"{how}; this kernel has no Landlock, so that they can read the files of their user"
    return Component(
        "Sandbox", "off", words, detail, "Linux 5.13 or later, started with lsm=landlock, refuses that too."
    )
