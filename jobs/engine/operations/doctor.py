"""`python -m jobs doctor`: looks at every setting and every part, and says what to do where one is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.errors import LegworkError, SettingsError
from jobs.engine.kinds import catalogue
from jobs.engine.operations.health import Component, components
from jobs.engine.operations.queue_figures import QueueFigures, queues
from jobs.engine.sandbox import confined


def examine() -> list[Component]:
    """All that can be told; where a setting cannot be read, only that."""
    try:
        chosen = settings.current()
        chosen.refuse_open_host()
    except SettingsError as error:
        return [Component("Settings", "wrong", "Cannot be used", "", error.message)]
    found = [Component("Settings", "ok", "Can be read", f"Data in {chosen.data_dir}"), *components(thorough=True)]
    return [*found, *_queue_parts(found), _kinds_part(), _confinement_part()]


def told(found: Sequence[Component]) -> str:
    """The examination as text, with what to do last in each line."""
    wide = max(len(part.name) for part in found)
    lines = [f"{part.state:<6} {part.name:<{wide}}  {_sentences(part)}" for part in found]
    wrong = sum(part.state == "wrong" for part in found)
    end = "Nothing is wrong." if not wrong else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong."
    return "\n".join([*lines, "", end])


def _sentences(part: Component) -> str:
    return " ".join(f"{text.rstrip('.')}." for text in (part.words, part.detail, part.advice) if text)


def _queue_parts(found: Sequence[Component]) -> list[Component]:
    unknown = [Component("Workers", "wrong", "Cannot be told", "", "The database comes first.")]
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


_HOW = {"filter": "The kernel refuses them every socket", "namespace": "They have a network with nothing in it"}


def _confinement_part() -> Component:
    """Whether this machine takes the network from a child, by trying it on one."""
    said = confined.run("jobs.engine.sandbox", {})
    if how := _HOW.get(said["network"]):
        return Component("Confinement", "ok", "What reads strangers' files has no network", how)
    advice = "On Linux it has none. Here let a firewall keep this machine from what it need not reach."
    return Component(
        "Confinement", "off", "What reads strangers' files keeps the network", "Its other limits hold", advice
    )
