"""What is asked of every kind there is. A new file in jobs/ is found by itself and must pass."""

from __future__ import annotations

import os
import pkgutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient

import jobs
from jobs.engine.errors import Conflict
from jobs.engine.kinds import catalogue, checks, estimates
from jobs.engine.kinds.definition import Kind
from jobs.engine.queue import commands, queries
from tests import sample_kinds
from tests.conftest import House, forget
from tests.engine.workers import Workers, adds_up, children, ended, running, until
from tests.fake_provider import FakeProvider
from tests.page_words import machine_words, python_values, things_linked, uneven_columns

pytestmark = pytest.mark.slow

OWNER = "local"
OF_SAMPLES = ("r_k",)  # the words of a person in a sample file
CATCHES = 5  # a process that has done a job is replaced by one that was not held still


def names_in(package: Any) -> list[str]:
    return [one.name for one in pkgutil.iter_modules(package.__path__) if not one.ispkg and one.name[0] != "_"]


OURS = [name for name in names_in(jobs) if not catalogue.load(f"jobs.{name}").hidden]  # a hidden one has its own tests
KINDS = [*OURS, *names_in(sample_kinds)]


@dataclass
class Standing:
    """Workers, and a site beside them."""

    workers: Workers
    client: FlaskClient


@pytest.fixture(scope="module")
def standing(house: House) -> Iterator[Standing]:
    with FakeProvider() as provider:
        provider.script(latency=0.05)
        model = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "key", "OPENAI_MODEL": "fake-small"}
        with house(EXTRA_KINDS="tests.sample_kinds", **model), running("--processes", "2") as workers:
            from webapp.app import create_app

            until(lambda: queries.served_queues() >= set(catalogue.queues()))
            yield Standing(workers, create_app({"TESTING": True}).test_client())
            forget()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, standing: Standing) -> Kind:
    return catalogue.kind(request.param)


def submit(standing: Standing, kind: Kind) -> Any:
    answer = standing.client.post(f"/api/v1/kinds/{kind.name}/jobs", json=kind.example)
    assert answer.status_code == 202, answer.text
    return queries.job(answer.json["id"], OWNER)


def catch(standing: Standing, kind: Kind) -> tuple[Any, int]:
    """A job of this kind whose process has just begun and holds still: all that wait for a job are held still before."""
    for _ in range(CATCHES):
        until(lambda: len(standing.workers.children) == len(standing.workers.workers))
        held = standing.workers.children
        signal_all(held, signal.SIGSTOP)
        job = submit(standing, kind)
        until(lambda job=job: queries.job(job.id, OWNER).state != "queued")
        worker = int((queries.job(job.id, OWNER).worker or "-0-").rsplit("-", 2)[1])  # host, process, tag
        horse = next((one for one in children(worker) if one in held), None)
        signal_all([one for one in held if one != horse], signal.SIGCONT)
        if horse is not None and queries.job(job.id, OWNER).state == "running":
            return job, horse
        ended(job)
    raise AssertionError("it was never caught running")


def signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def hows(job: Any) -> list[str | None]:
    return [attempt.how for attempt in queries.attempts(job)]


def test_the_catalogue_has_them_all(standing: Standing) -> None:
    assert sorted(kind.name for kind in catalogue.kinds()) == sorted(KINDS)
    listed = standing.client.get("/api/v1/kinds").json["kinds"]
    assert sorted(kind["name"] for kind in listed) == sorted(KINDS)
    assert OURS


def test_it_is_available_and_its_example_is_valid(kind: Kind) -> None:
    assert kind.available, kind.reason
    assert kind.group in catalogue.GROUPS
    assert kind.summary.endswith(".")
    fit = checks.validate(kind.name, kind.example, owner=OWNER)
    assert kind.Params.model_validate(fit.json) == kind.Params.model_validate(kind.example)
    estimate = estimates.estimate(kind.name, kind.example, owner=OWNER)
    assert estimate is None or estimate.items is None or estimate.items > 0


def test_every_param_has_a_label_a_person_can_read(kind: Kind) -> None:
    for name, described in kind.Params.model_fields.items():
        assert described.title, name
        assert described.title != name


def test_its_form_and_its_card_render(standing: Standing, kind: Kind) -> None:
    assert f'href="/kinds/{kind.name}"' in standing.client.get("/").text
    for query in ("", "?example=1"):
        form = standing.client.get(f"/kinds/{kind.name}{query}")
        assert form.status_code == 200
        assert 'aria-invalid="true"' not in form.text
        assert python_values(form.text) == []


def test_its_example_succeeds_and_its_pages_render(standing: Standing, kind: Kind) -> None:
    job = ended(submit(standing, kind))
    assert job.state == "succeeded", (job.reason, job.message, job.detail)
    assert adds_up(job)
    items = [f"/items/{item.position}" for item in queries.items(job, limit=2).rows]
    for tab in ("", "/items", *items, "/files", "/log", "/input", "/timeline"):
        page = standing.client.get(f"/jobs/{job.id}{tab}")
        assert page.status_code == 200
        assert machine_words(page.text, OF_SAMPLES) == [] and uneven_columns(page.text) == [], tab
        assert tab != "/input" or python_values(page.text) == []
        for link in things_linked(page.text):
            assert standing.client.get(link, buffered=True).status_code == 200, link
    told = standing.client.get(f"/api/v1/jobs/{job.id}").json
    assert told["progress"]["done"] == job.done
    for file in told["files"]:
        assert len(standing.client.get(file["url"]).data) == file["bytes"]
    for format in ("csv", "jsonl"):
        assert standing.client.get(f"/jobs/{job.id}/items.{format}").status_code == 200


def test_it_obeys_a_stop(standing: Standing, kind: Kind) -> None:
    job, horse = catch(standing, kind)
    assert commands.cancel(job.id, owner=OWNER).state == "stopping"
    os.kill(horse, signal.SIGCONT)
    job = ended(job)
    assert (job.state, job.reason) == ("cancelled", "stopped")
    assert adds_up(job)


def test_the_death_of_its_process_before_it_begins_costs_nothing(standing: Standing, kind: Kind) -> None:
    job, horse = catch(standing, kind)
    os.kill(horse, signal.SIGKILL)
    job = ended(job)
    assert job.state == "succeeded", (job.reason, job.message, job.detail)
    assert hows(job) == ["succeeded"]
    assert adds_up(job)


def test_running_it_twice_is_safe(standing: Standing, kind: Kind) -> None:
    first = ended(submit(standing, kind))
    if any(
        kind.example.get(name) for name in catalogue.secret_params(kind.name)
    ):  # they are gone, and have to be entered again
        with pytest.raises(Conflict, match="secret"):
            commands.retry(first.id, owner=OWNER)
        return
    commands.retry(first.id, owner=OWNER)
    second = ended(first)
    assert (second.state, second.finished, second.total) == ("succeeded", first.finished, first.total)
    items = queries.items(second, limit=1_000).rows  # a kind without items counts by itself
    assert not items or len(items) == second.finished  # none is there twice
    assert len(queries.output_files(second)) == len(queries.output_files(first))
