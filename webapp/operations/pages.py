"""The operators' page: queues, workers, components; pausing a queue, draining or stopping a worker."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from jobs.engine import operations, settings
from jobs.engine.operations import MINUTES, QueueFigures
from webapp.http import identity
from webapp.http.guards import current_owner
from webapp.http.identity import operators
from webapp.jobs import catalogue
from webapp.results import charts
from webapp.ui import words

blueprint = Blueprint("operating", __name__, url_prefix="/operations")

WHAT_QUEUES_DO = {"io": "model and network calls", "cpu": "this machine's processors", "mail": "outgoing mail"}
BAR, GAP, HEIGHT = 3, 1, 20  # of the small charts, in the units of their viewBox


@blueprint.get("")
@operators
def index() -> Response:
    """The page; with `HX-Request` only its live part."""
    state = operations.current_overview()
    live = bool(request.headers.get("HX-Request"))
    span: operations.Span = "week" if request.args.get("last") == "week" else "day"
    return make_response(
        render_template(
            "operations/_live.html" if live else "operations/page.html",
            state=state,
            spark=spark,
            does=WHAT_QUEUES_DO,
            minutes=range(MINUTES),
            past=None if live else past(span),
            span=span,
            titles=catalogue.titles(),
            owner=current_owner(),
            shared=[(one.job, by_worker(one)) for one in state.shared],
            starters=starters(state.workers),
            hosts=len({worker.host for worker in state.workers}),
            periods=operations.periods(),
            file_days=settings.current().keep_files_days,
        )
    )


@blueprint.post("/queues/<any(io, cpu, mail):queue>/<any(pause, resume):what>")
@operators
def change_queue(queue: str, what: str) -> Any:
    act = operations.pause if what == "pause" else operations.resume
    act(queue, owner=current_owner(), address=identity.address())
    return redirect("/operations#queues", 303)


@blueprint.post("/workers/<name>/<any(finish, stop):how>")
@operators
def send_away(name: str, how: str) -> Any:
    operations.send_away(name, how, owner=current_owner(), address=identity.address())
    return redirect("/operations#workers", 303)


@blueprint.post("/workers/<name>/another")
@operators
def start_another(name: str) -> Any:
    operations.start_another(name, owner=current_owner(), address=identity.address())
    flash("One more worker starts; it appears here within a few seconds.")
    return redirect("/operations#workers", 303)


def starters(workers: Iterable[operations.WorkerFigures]) -> dict[str, str]:
    """For each host, a worker whose program can be asked for one more."""
    return {worker.host: worker.name for worker in workers if not worker.asked}


def by_worker(shared: operations.SharedJob) -> charts.Drawing:
    """The items that each worker of a shared job has finished, as bars."""
    leader = str(shared.job.worker)
    return charts.draw(
        "bars", [(f"{name}{', leads' if name == leader else ''}", count) for name, count in shared.finished.items()]
    )


def past(span: operations.Span) -> list[tuple[str, charts.Drawing]]:
    """What ended in the last day or week, as charts."""
    parts = operations.what_ended(span)
    labels = [_label(part.begins, span) + (" (not over)" if part.now else "") for part in parts]
    shown = (
        ("Jobs that ended", [part.ended for part in parts]),
        ("Jobs that failed", [part.failed for part in parts]),
        ("Tokens", [part.tokens for part in parts]),
    )
    return [
        (title, charts.draw("columns", list(zip(labels, counts, strict=True)), tall=charts.LOW))
        for title, counts in shown
        if title != "Tokens" or any(counts)
    ]


def _label(moment: datetime, span: operations.Span) -> str:
    local = moment.astimezone(words.zone())
    return f"{local:%a %H:%M}" if span == "week" else f"{local:%H:%M}"


def spark(queue: QueueFigures) -> dict[str, Any]:
    """The bars of a queue's chart for the last half hour, and the same as a sentence."""
    most = max(queue.ended)
    bars = [
        {"x": place * (BAR + GAP), "y": HEIGHT - tall, "height": tall, "failed": failed, "now": place == MINUTES - 1}
        for place, (ended, failed) in enumerate(zip(queue.ended, queue.failed, strict=True))
        if (tall := round(HEIGHT * ended / most, 1) if most else 0.0)
    ]
    words = f"now {queue.ended[-1]:,}, most {most:,}"
    sentence = f"Jobs ended per minute in the last half hour: {words}, {sum(queue.failed):,} failed"
    return {"bars": bars, "words": words, "sentence": sentence, "width": MINUTES * (BAR + GAP)}
