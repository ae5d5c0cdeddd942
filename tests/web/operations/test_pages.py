"""What operators see and may do: the page, its forms, the API. Others find nothing there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page

from jobs.engine.db import postgres
from jobs.engine.db.models import JobHelper
from jobs.engine.queue import queries, worker_registry
from jobs.engine.queue.worker_registry import Seen
from tests.web import factories
from webapp.http import identity
from webapp.ui.safe_text import coded

OPERATIONS = "/operations"


def csrf(client: FlaskClient) -> str:
    return re.findall(r'name="csrf_token" value="([^"]*)"', client.get(OPERATIONS).text)[0]


def post(client: FlaskClient, path: str) -> int:
    return client.post(path, data={"csrf_token": csrf(client)}).status_code


def queue(client: FlaskClient, name: str) -> dict:
    found = client.get("/api/v1/operations").get_json()["queues"]
    return next(one for one in found if one["name"] == name)


@pytest.fixture
def workers(app: Flask) -> Iterator[list[str]]:
    """Two workers, as their supervisor reports them."""
    seen = [Seen("kitchen-7", 7, 50_000_000), Seen("kitchen-8", 8)]
    with postgres.session() as session:
        worker_registry.report(session, "kitchen-1-abc", "kitchen", ["cpu"], "1.2.3", seen)
    yield [one.name for one in seen]
    with postgres.session() as session:
        worker_registry.leave(session, [one.name for one in seen])


def test_only_operators_come_in(app: Flask) -> None:
    ours = [name for name in app.view_functions if name.startswith(("operating.", "operating_api."))]
    assert len(ours) == 9
    with app.test_request_context():
        needs = {identity.need_of(name, method) for name in ours for method in ("GET", "POST")}
    assert needs == {"operator"}


def test_a_queue_without_workers_is_told_of_with_the_command(client: FlaskClient) -> None:
    factories.waiting()
    page = client.get(OPERATIONS).text
    assert "No worker serves queue cpu" in page
    assert "python -m jobs worker --queues cpu" in page
    assert "No worker serves queue mail" not in page
    assert "If Redis were emptied:</b> nothing." in page


def test_in_good_times_no_banner_speaks_of_a_queue(client: FlaskClient, workers: list[str]) -> None:
    factories.waiting()
    titles = [problem["title"] for problem in client.get("/api/v1/operations").get_json()["problems"]]
    assert not [title for title in titles if "queue" in title.lower()]
    assert titles == ["Clock: not running"]  # as no worker program runs in this test


def test_commands_in_sentences_are_code(client: FlaskClient) -> None:
    main = client.get(OPERATIONS).text.partition("<main")[2]
    assert "<code>python -m jobs worker</code>." in main and "`" not in main
    assert coded("Run `a <b>` & `c`.") == "Run <code>a &lt;b&gt;</code> &amp; <code>c</code>."


def test_the_live_part_comes_alone(client: FlaskClient) -> None:
    part = client.get(OPERATIONS, headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith('<div id="operations"')
    assert "<html" not in part


@pytest.mark.parametrize(("last", "columns"), [("day", 24), ("week", 28), ("<b>", 24)])
def test_what_ended_stands_in_the_history(client: FlaskClient, last: str, columns: int) -> None:
    factories.ended(factories.waiting(), "failed", reason="x", message="No.")
    page = client.get(f"{OPERATIONS}?last={last}").text
    past = page.split('id="past"')[1].split("</section>\n</div>")[0]
    assert past.split('aria-label="Jobs that failed')[1].split("</svg>")[0].count("<rect") == columns
    ended = re.findall(r"\(not over\)</th><td class=\"n\">([0-9,]+)</td>", past)
    assert len(ended) >= 2 and all(int(one.replace(",", "")) >= 1 for one in ended[:2])
    assert (
        "python -m jobs worker" in page
        and 'id="past"' not in client.get(OPERATIONS, headers={"HX-Request": "true"}).text
    )


def test_ended_jobs_are_in_the_chart_and_in_the_table(client: FlaskClient) -> None:
    before = queue(client, "cpu")
    factories.ended(factories.waiting(), "failed", reason="x", message="No.")
    factories.ended(factories.waiting())
    after = queue(client, "cpu")
    assert sum(after["ended"]) - sum(before["ended"]) == 2
    assert sum(after["failed"]) - sum(before["failed"]) == 1
    assert after["failed_day"] - before["failed_day"] == 1
    assert after["wait_p95"] >= after["wait_p50"] >= 0
    page = client.get(OPERATIONS).text
    assert f"{sum(after['failed'])} failed" in page
    assert page.count('<th scope="row">29</th>') == 1


@pytest.mark.slow
def test_a_queue_is_paused_and_resumed(client: FlaskClient) -> None:
    job = factories.waiting()
    assert post(client, "/operations/queues/cpu/pause") == 303
    assert queue(client, "cpu")["paused_by"] == "local"
    assert "Resume<span" in client.get(OPERATIONS).text
    assert "Queue cpu is paused. It starts when an operator resumes the queue." in client.get(f"/jobs/{job.id}").text
    assert post(client, "/operations/queues/cpu/resume") == 303
    assert queue(client, "cpu")["paused_at"] is None
    assert client.post("/operations/queues/cpu/pause").status_code == 400  # without the form's token


def test_the_api_pauses_too_and_knows_its_queues(client: FlaskClient) -> None:
    for what, by in (("pause", "local"), ("resume", None)):
        assert client.post(f"/api/v1/queues/mail/{what}").status_code == 204
        assert queue(client, "mail")["paused_by"] == by
    missing = client.post("/api/v1/queues/attic/pause")
    assert missing.status_code == 404
    assert "There is no queue called" in missing.get_json()["detail"]


def test_workers_are_listed_with_what_they_do_and_can_be_sent_away(client: FlaskClient, workers: list[str]) -> None:
    job, _ = factories.running(factories.waiting(), total=10, outcomes=factories.outcomes(done=3))
    with postgres.session() as session:
        worker_registry.report(session, "kitchen-1-abc", "kitchen", ["cpu"], "1.2.3", [Seen(str(job.worker), 9)])
    page = client.get(OPERATIONS).text
    assert f'href="/jobs/{job.id}"' in page
    assert "3 of 10" in page
    assert "50 MB" in page
    assert post(client, f"/operations/workers/{workers[0]}/another") == 303
    assert '/another"' in client.get(OPERATIONS).text
    assert {worker.asked for worker in queries.workers()} == {"another", None}
    assert {worker["asked"] for worker in client.get("/api/v1/operations").get_json()["workers"]} == {None}
    assert post(client, f"/operations/workers/{workers[0]}/finish") == 303
    assert post(client, f"/operations/workers/{workers[0]}/another") == 404
    assert client.post(f"/api/v1/workers/{workers[1]}/stop").status_code == 202
    assert {worker.name: worker.asked for worker in queries.workers() if worker.name in workers} == {
        workers[0]: "finish",
        workers[1]: "stop",
    }
    page = client.get(OPERATIONS).text
    assert "leaves after this job" in page
    assert "stopping" in page
    assert client.post("/api/v1/workers/nobody/stop").status_code == 404
    with postgres.session() as session:
        worker_registry.leave(session, [str(job.worker)])


def test_who_works_on_a_wide_job_is_shown(client: FlaskClient, workers: list[str]) -> None:
    job, claim = factories.running(factories.waiting("wide_nap"), total=10, outcomes=factories.outcomes(done=5))
    with postgres.session() as session:
        helper = JobHelper(job_id=job.id, leader=claim.lease, worker=workers[0], finished=2, lease_until=job.started_at)
        session.add(helper)
    page = client.get(OPERATIONS).text
    bars = page.split(": finished by each worker</h3>")[1]
    assert re.findall(r'<th scope="row">([^<]*)</th>.*?<td class="n">(\d+)</td>', bars.split("</table>")[0]) == [
        ("box-1, leads", "3"),
        (workers[0], "2"),
    ]
    assert f'href="/jobs/{job.id}"' in page.split(f">{workers[0]}<")[1].split("</tr>")[0], "it is not idle"


def test_what_somebody_else_runs_is_not_linked(client: FlaskClient) -> None:
    job, _ = factories.running(factories.waiting())
    with postgres.session() as session:
        worker_registry.report(session, "kitchen-1-abc", "kitchen", ["cpu"], "1.2.3", [Seen(str(job.worker), 9)])
        session.connection().exec_driver_sql(
            f"update jobs set owner = 'somebody', label = 'secret' where id = '{job.id}'"
        )
    page = client.get(OPERATIONS).text
    assert str(job.id) not in page
    assert "secret" not in page
    with postgres.session() as session:
        worker_registry.leave(session, [str(job.worker)])


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.usefixtures("complaints")
def test_the_page_lives_and_holds_still(tab: Page, site: str) -> None:
    factories.waiting()
    tab.goto(site + OPERATIONS)
    tab.get_by_text("The last half hour as a table").click()
    with tab.expect_response(lambda response: response.url.endswith(OPERATIONS)):
        pass
    assert tab.get_by_role("region", name="Jobs ended in each minute").is_visible()  # what was opened stays open
    tab.get_by_role("button", name="Pause queue cpu").click()
    tab.get_by_role("button", name="Resume queue cpu").click()
    tab.get_by_role("button", name="Pause queue cpu").wait_for()
