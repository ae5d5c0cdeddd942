"""What supervisors and monitors are told, also while a part is away."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from jobs.engine.queue import delivery
from tests.conftest import forget


@pytest.fixture
def pointed_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Send this process to other addresses, for one test."""

    def point(name: str, url: str) -> None:
        monkeypatch.setenv(name, url)
        forget()

    yield point
    monkeypatch.undo()
    forget()


def test_a_working_site_is_up_and_ready(client: FlaskClient) -> None:
    for path in ("/healthz", "/readyz"):
        response = client.get(path)
        assert (response.status_code, response.get_data()) == (200, b"ok\n")


def test_a_site_without_its_broker_is_ready_and_takes_jobs(
    client: FlaskClient, pointed_at: Callable[[str, str], None], tmp_path: Path
) -> None:
    pointed_at("REDIS_URL", f"unix://{tmp_path}/nobody.sock")
    assert client.get("/readyz").status_code == 200
    assert client.get("/metrics").status_code == 200
    job = client.post("/api/v1/kinds/nap/jobs", json={"naps": 1})
    assert job.status_code == 202
    assert job.get_json()["state"] == "queued"


def test_a_site_without_its_database_says_so_in_words(
    client: FlaskClient, pointed_at: Callable[[str, str], None], tmp_path: Path
) -> None:
    pointed_at("DATABASE_URL", f"postgresql://legwork@/legwork?host={tmp_path}")
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "database" in ready.get_data(as_text=True)
    for path in ("/jobs", "/api/v1/jobs"):
        away = client.get(path)
        assert away.status_code == 503
        assert "The database does not answer" in away.get_data(as_text=True)
        assert away.headers["Retry-After"]
    assert _sample(client, "legwork_database_up") == 0


def test_a_database_without_tables_is_not_ready(
    client: FlaskClient, pointed_at: Callable[[str, str], None], empty_database_url: str
) -> None:
    pointed_at("DATABASE_URL", empty_database_url)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "migrate" in response.get_data(as_text=True)


def test_the_figures_are_those_of_the_queues(client: FlaskClient) -> None:
    before = _sample(client, "legwork_queue_waiting", queue="cpu")
    client.post("/api/v1/kinds/nap/jobs", json={"naps": 1})
    assert _sample(client, "legwork_queue_waiting", queue="cpu") == before + 1
    assert _sample(client, "legwork_jobs", state="queued") >= 1
    assert _sample(client, "legwork_queue_oldest_seconds", queue="cpu") >= 0
    assert _sample(client, "legwork_queue_workers", queue="cpu") == 0
    assert _sample(client, "legwork_workers_needed", queue="cpu") >= 1
    assert _sample(client, "legwork_queue_paused", queue="cpu") == 0
    assert _sample(client, "legwork_part_up", part="broker") == 1
    assert _sample(client, "legwork_part_up", part="clock") == 0
    assert _sample(client, "legwork_database_up") == 1
    assert delivery.waiting_count("cpu") >= 1


def test_prometheus_finds_nothing_wrong_with_the_figures(client: FlaskClient, promtool: str) -> None:
    told = client.get("/metrics").get_data()
    checked = subprocess.run([promtool, "check", "metrics"], input=told, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


def _sample(client: FlaskClient, name: str, **labels: str) -> float:
    text = client.get("/metrics").get_data(as_text=True)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return next(sample.value for sample in samples if sample.name == name and sample.labels == labels)
