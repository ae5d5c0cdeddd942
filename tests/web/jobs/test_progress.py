"""A job's page in each state, its tabs, and the fragment that is polled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partialmethod
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.db.job_view import COLUMNS
from jobs.engine.db.models import Job
from jobs.engine.queue import commands, ledger, polling, waiting
from tests.web import factories
from webapp.http.guards import LOCAL_OWNER
from webapp.jobs import timeline
from webapp.jobs.tabs import TABS
from webapp.ui import words as ui_words

Get = Callable[..., str]


@pytest.fixture
def shown(client: FlaskClient) -> Get:
    def get(job: Any, tab: str = "") -> str:
        answer = client.get(f"/jobs/{job.id}{tab}")
        assert answer.status_code == 200
        return answer.text

    return get


def poll(client: FlaskClient, job: Any, **headers: str) -> Any:
    return client.get(
        f"/jobs/{job.id}/progress",
        headers={"HX-Request": "true", **{k.replace("_", "-"): v for k, v in headers.items()}},
    )


def title(text: str) -> str:
    return re.findall(r"<title>([^<]*)</title>", text)[0]


# What the page says.


def test_a_waiting_job_says_why(shown: Get) -> None:
    text = shown(factories.waiting())
    assert title(text) == "Waiting · Nap · Legwork"
    assert "No worker serves queue cpu" in text
    assert "/cancel" in text and "/retry" not in text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text


def test_a_scheduled_job_says_when(shown: Get) -> None:
    job = commands.submit("nap", {}, owner=LOCAL_OWNER, run_at=ui_words.now() + timedelta(hours=3))
    text = shown(job)
    assert title(text).startswith("Scheduled")
    assert "In 2 h" in text
    assert 'hx-trigger="every 15s"' in text


def test_a_running_job_adds_up_and_never_says_all(shown: Get) -> None:
    job, _ = factories.running(
        factories.waiting(), total=1204, outcomes=factories.outcomes(done=741, failed=3, skipped=12)
    )
    text = shown(job)
    assert title(text) == "61% · Nap · Legwork"
    assert "<b>61%</b>" in text
    assert 'aria-valuetext="756 of 1,204 naps: 741 done, 3 failed, 12 skipped"' in text
    for part in (
        "<b>741</b> done",
        "<b>3</b> failed",
        "<b>12</b> skipped",
        "<b>448</b> to go",
        "741 of 1,204 naps done",
    ):
        assert part in text
    assert "worker box-1" in text and "attempt 1 of 3" in text
    assert "756 naps so far" in text
    full, _ = factories.running(factories.waiting(), total=2, outcomes=factories.outcomes(done=2))
    assert "<b>99%</b>" in shown(full)


def test_an_unknown_length_has_no_share(shown: Get) -> None:
    job, _ = factories.running(factories.waiting(), outcomes=factories.outcomes(done=5))
    text = shown(job)
    assert "5 naps so far" in text and 'class="dashes"' in text
    assert "aria-valuenow" not in text and title(text).startswith("Running")


def test_a_failed_job_has_a_sentence_first_and_the_trace_folded(shown: Get) -> None:
    job = factories.ended(
        factories.waiting(),
        "failed",
        reason="file_encrypted",
        message="The file is <locked>.",
        detail="Traceback: x < y",
    )
    text = shown(job)
    assert title(text).startswith("Failed")
    assert "<h2>The file is &lt;locked&gt;.</h2>" in text
    assert text.index("Details for a developer") < text.index("Traceback: x &lt; y")
    assert "file_encrypted" in text
    assert "/retry" in text and "/delete" in text and "/cancel" not in text


def test_a_partly_done_job_offers_the_failed_ones(shown: Get) -> None:
    job = factories.ended(
        factories.waiting(), "partial", outcomes=factories.outcomes(done=118, failed=3), total=121, whole=True
    )
    text = shown(job)
    assert "Partly done" in text and "%" not in text.split("<main")[1].split("grid-box")[0]
    assert "<b>118</b> of 121 naps done" in text and ">3 failed</a>" in text and "Retry 3 failed" in text


def test_a_stopped_job_keeps_its_share_and_says_when(shown: Get) -> None:
    job, claim = factories.running(factories.waiting(), total=900, outcomes=factories.outcomes(done=310))
    commands.cancel(job.id, owner=LOCAL_OWNER)
    text = shown(factories.again(job))
    assert "Stopping" in text and re.search(r"Stopping</span>, requested <time", text)
    with postgres.session() as session:
        ledger.settle(session.connection(), job.id, claim.lease, "succeeded")
    text = shown(factories.again(job))
    assert title(text).startswith("Stopped")
    assert "<b>310</b> of 900 naps done" in text and "590 left" in text
    assert "Resume</button>" in text and 'name="items" value="failed"' in text
    assert commands.retry(job.id, owner=LOCAL_OWNER, items="failed").done == 310


def test_a_lost_and_a_retried_job_say_so(shown: Get) -> None:
    job, claim = factories.running(factories.waiting(), total=10, outcomes=factories.outcomes(done=4))
    with postgres.session() as session:
        ledger.give_up(session.connection(), job.id, claim.lease)
    assert "Worker lost" in shown(factories.again(job))
    job, claim = factories.running(factories.waiting())
    with postgres.session() as session:
        ledger.postpone(session.connection(), job.id, claim.lease, 600, "transient", "It asked us to slow down.", None)
    text = shown(factories.again(job))
    assert "Retrying" in text and "It asked us to slow down." in text and "in 9 min" in text


def test_a_try_offers_all_of_it(shown: Get) -> None:
    job = factories.waiting("questions", sample=3, word="w", side="left")
    text = shown(factories.ended(job, outcomes=factories.outcomes(done=3), total=3, whole=True))
    assert "This was a sample: only the first 3 answers" in text and "Start all 1,234" in text


def test_text_of_others_is_only_text(shown: Get) -> None:
    evil = "<script>alert(1)</script>\u202e"
    job = factories.waiting("questions", word=evil[:20], side="left", story=evil)
    job = factories.ended(
        job,
        "partial",
        outcomes=factories.outcomes(done=1, failed=1, text=evil),
        total=2,
        result={evil: evil},
        message=evil,
    )
    for tab in ("", *(f"/{tab}" for tab in TABS[1:])):
        text = shown(job, tab)
        assert "<script>alert" not in text and "\u202e" not in text


# The tabs.


@pytest.mark.parametrize("tab", [tab for tab in TABS[1:] if tab != "items"])
def test_every_tab_has_its_address(shown: Get, tab: str) -> None:
    job = factories.ended(
        factories.waiting(),
        outcomes=factories.outcomes(done=2),
        lines=[("warning", "slowed down")],
        total=2,
        whole=True,
    )
    text = shown(job, f"/{tab}")
    assert re.search(rf'href="/jobs/{job.id}/{tab}" aria-current="page"', text)


def test_the_result_has_facts_first_rows_and_downloads(shown: Get) -> None:
    job = factories.ended(
        factories.waiting(),
        outcomes=factories.outcomes(done=2),
        total=2,
        whole=True,
        result={"naps": 1204, "deep": {"a": [1]}},
    )
    text = shown(job)
    assert "<dd>1,204</dd>" in text and "A text 2" in text
    for format in ("csv", "jsonl", "xlsx", "parquet"):
        assert f'href="/jobs/{job.id}/items.{format}"' in text
    assert ">Deep</h3>" in text and '{"' not in text.split("<main")[1]


def test_items_are_filtered_found_and_paged(shown: Get) -> None:
    job, _ = factories.running(factories.waiting(), total=200, outcomes=factories.outcomes(done=120, failed=2))
    text = shown(job, "/items")
    assert text.count("<tr id=") == 50 and "A text 120" in text and "A text 60<" not in text
    older = re.search(r'href="(/jobs/[^"]*/items\?after=[^"]*)" rel="next"', text)
    assert older
    assert "A text 72" in shown(job, older[1].split(str(job.id))[1])
    assert "The model gave no answer." in shown(job, "/items?state=failed")
    assert "A text 119" in shown(job, "/items?q=text+119") and "A text 118" not in shown(job, "/items?q=text+119")
    assert "No nap matches" in shown(job, "/items?q=zzz")


def test_the_timeline_tells_each_attempt(shown: Get) -> None:
    job, claim = factories.running(factories.waiting(), total=10, outcomes=factories.outcomes(done=4))
    with postgres.session() as session:
        ledger.give_up(session.connection(), job.id, claim.lease)
    text = shown(factories.ended(factories.again(job), total=10), "/timeline")
    told = ("Submitted", "Run 1", "the worker was lost", "Run 2", "Succeeded")
    table = text.partition("<table")[2]
    places = [table.index(words) for words in told[:4]] + [table.rindex(told[4])]
    assert places == sorted(places)
    assert re.search(r'role="img" aria-label="[^"]* in all\. [^"]*Worker box-1 worked', text)


def test_the_timeline_says_whom_the_job_waited_for() -> None:
    """An agent that waited a minute for an answer, then a second for a worker."""
    start = datetime(2026, 11, 30, 12, tzinfo=UTC)
    at = [start + timedelta(seconds=seconds) for seconds in (0, 2, 10, 70, 71, 80)]
    job = SimpleNamespace(created_at=at[0], run_at=None, state="succeeded", queue="io")
    first = SimpleNamespace(worker="a", lease=1, how="approval", started_at=at[1], ended_at=at[2])
    second = SimpleNamespace(worker="b", lease=2, how="succeeded", started_at=at[4], ended_at=at[5])
    asked = SimpleNamespace(decided_at=at[3], expires_at=at[5], asked_at=at[2])
    found: Any = timeline.spans(job, [first, second], [asked])  # type: ignore[arg-type, list-item]
    assert [(one.what, (one.end - one.start).seconds) for one in found if one.lane == "Waiting"] == [
        ("Waited for a worker on queue io", 2),
        ("Waited for your answer", 60),
        ("Waited for a worker on queue io", 1),
    ]


def test_the_input_shows_labels_and_hides_secrets(shown: Get) -> None:
    text = shown(
        factories.waiting("questions", word="kettle", side="left", key="hunter2", table="sample:reviews.csv"), "/input"
    )
    assert "A whole number" in text and "7 pieces" in text and "reviews.csv (sample data)" in text
    assert "hunter2" not in text


# The fragment.


def test_the_fragment_asks_again_while_the_job_is_not_over(client: FlaskClient) -> None:
    job, _ = factories.running(factories.waiting(), total=4, outcomes=factories.outcomes(done=2))
    answer = poll(client, job)
    assert "<html" not in answer.text
    assert title(answer.text).startswith("50%")
    assert f'hx-get="/jobs/{job.id}/progress?tab=result" hx-trigger="every 1s"' in answer.text
    assert "HX-Trigger" not in answer.headers
    assert "Half done: 2 of 4 naps." in answer.text


def test_the_fragment_of_an_ended_job_stops_the_polling(client: FlaskClient) -> None:
    job = factories.ended(factories.waiting(), outcomes=factories.outcomes(done=3), total=3, whole=True)
    answer = poll(client, job)
    assert "hx-trigger" not in answer.text
    assert answer.headers["HX-Trigger"] == "job-over"
    assert "Succeeded: 3 of 3 naps." in answer.text


def test_nothing_new_is_304_and_something_new_is_not(client: FlaskClient) -> None:
    job = factories.ended(factories.waiting(), outcomes=factories.outcomes(done=1), total=1, whole=True)
    version = poll(client, job).headers["ETag"]
    same = poll(client, job, If_None_Match=version)
    assert same.status_code == 304 and not same.data and same.headers["ETag"] == version
    commands.retry(job.id, owner=LOCAL_OWNER)
    assert poll(client, job, If_None_Match=version).status_code == 200


IS_ANYBODY_THERE = "select exists (select from accounts)"  # asked once a second, whoever comes


def test_a_poll_is_one_question(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the page as of the API, unchanged or not: a thousand viewers ask each second."""
    job, _ = factories.running(factories.waiting(), total=10)
    asked: list[str] = []
    monkeypatch.setattr(psycopg.Cursor, "execute", partialmethod(_noted, psycopg.Cursor.execute, asked))
    version = poll(client, job).headers["ETag"]
    for again in (
        lambda: poll(client, job),
        lambda: poll(client, job, If_None_Match=version),
        lambda: client.get(f"/api/v1/jobs/{job.id}"),
    ):
        asked.clear()
        again()
        assert len([query for query in asked if query != IS_ANYBODY_THERE]) == 1


def _noted(cursor: Any, execute: Any, asked: list[str], query: Any, *values: Any, **options: Any) -> Any:
    asked.append(str(query))
    return execute(cursor, query, *values, **options)


def test_a_status_is_the_row() -> None:
    running, _ = factories.running(factories.waiting(), total=10)
    for made in (factories.waiting(), running, factories.ended(factories.waiting(), "failed")):
        with postgres.session() as session:
            row = session.get_one(Job, made.id)
        seen = polling.readable_job(made.id, LOCAL_OWNER)
        for name in (*COLUMNS, "ended", "finished", "pending"):
            assert getattr(seen, name) == getattr(row, name)
        assert waiting.pace(seen) == waiting.pace(polling.job_status(made.id, LOCAL_OWNER))


def test_what_may_have_happened_has_a_button_of_its_own(client: FlaskClient, shown: Get) -> None:
    outcomes = factories.outcomes(done=2, failed=1, unknown=2)
    job = factories.ended(factories.waiting(), "partial", outcomes=outcomes, total=5)
    text = shown(job)
    assert ">1 failed</a>" in text and ">2 unknown</a>" in text and "2 naps were in progress" in text
    assert "Retry 1 failed" in text and "Retry 2 unknown" in text
    token = re.findall(r'name="csrf_token" value="([^"]*)"', text)[0]
    for _ in range(2):
        answer = client.post(f"/jobs/{job.id}/retry", data={"csrf_token": token, "items": "unknown"})
    assert answer.status_code == 409
    job = factories.again(job)
    assert (job.state, job.done, job.failed, job.unknown, job.pending) == ("queued", 2, 1, 0, 2)


def test_items_are_searched_in_one_column_or_in_all(client: FlaskClient) -> None:
    job = factories.ended(factories.waiting(), outcomes=factories.outcomes(done=12), total=12)

    def found(query: str) -> int:
        return client.get(f"/jobs/{job.id}/items?{query}").text.count("<tr id=")

    assert found("q=7") == 12  # the length of each
    assert found("q=7&column=text") == 1
    assert found("q=1&column=place") == 4
    assert found("q=7&column=nothing") == 12


def test_the_log_is_searched_and_shows_its_end_while_the_job_runs(client: FlaskClient) -> None:
    lines = [("info", f"line {number}.") for number in range(1, 601)]
    job, _ = factories.running(factories.waiting(), lines=lines)

    def shown(query: str = "") -> str:
        return client.get(f"/jobs/{job.id}/log{query}").text

    assert "line 600." in shown() and "line 2." not in shown()
    assert "line 2." in shown("?start=1") and "line 600." not in shown("?start=1")
    found = shown("?q=LINE+42.")
    assert "line 42." in found and "line 43." not in found and "line 600." not in found
    assert "No line matches" in shown("?q=nothing+like+it")


def test_a_tab_alone_is_a_fragment_and_polls_while_the_job_runs(client: FlaskClient) -> None:
    job, _ = factories.running(factories.waiting(), total=4, outcomes=factories.outcomes(done=2))
    text = client.get(f"/jobs/{job.id}/items", headers={"HX-Request": "true"}).text
    assert "<html" not in text and "job-over from:body" in text
    text = client.get(f"/jobs/{job.id}/items?after=1~1", headers={"HX-Request": "true"}).text
    assert "hx-trigger" not in text


@pytest.mark.parametrize("tail", ["", "/progress", "/items", "/log.txt", "/items.csv"])
@pytest.mark.parametrize("job", ["00000000-0000-7000-8000-000000000000", "nope", "1' or '1'='1", "%00"])
def test_a_job_that_is_not_there_is_404(client: FlaskClient, job: str, tail: str) -> None:
    assert client.get(f"/jobs/{job}{tail}").status_code == 404


def test_what_the_toy_model_wrote_says_so(shown: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    current = replace(settings.current(), model="Smol", built_in=frozenset({"model"}))
    monkeypatch.setattr(settings, "current", lambda: current)
    for model, written, said in (("Smol", 5, True), ("Large", 5, False), ("Smol", 0, False)):
        answers = [replace(one, tokens=written, completion_tokens=written) for one in factories.outcomes(done=1)]
        job, claim = factories.running(factories.waiting(), outcomes=answers)
        factories.goes_on(job, claim, "succeeded", progress={"result": json.dumps({"model": model})})
        assert ("Written by Smol, the small model" in shown(job)) == said
