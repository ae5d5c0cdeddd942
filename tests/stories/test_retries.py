"""A person stops a job, or has what failed done again."""

from __future__ import annotations

import csv
import io

from tests.fake_provider import FakeProvider, answer_to
from tests.stories.site_client import Site, table, until


def start(site: Site, prompt: str, rows: int) -> str:
    source = site.upload("words.csv", table(rows))
    return site.submit("generate_texts", source=source, prompt=f"{prompt} {{word}}", concurrency=3)


def asked(provider: FakeProvider, prompt: str) -> list[str]:
    return [call["prompt"].split()[1] for call in provider.calls() if call["prompt"].startswith(prompt)]


def rows_of(site: Site, job: str, query: str = "") -> list[dict[str, str]]:
    text = site.get(f"/jobs/{job}/items.csv{query}").body.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_a_stop_keeps_what_is_done_and_asks_for_no_more(site: Site, provider: FakeProvider) -> None:
    provider.script(latency=0.2)
    job = start(site, "stop", 500)
    site.done(job, 5)
    assert site.tell(job, "cancel").json["state"] == "stopping"
    ended = site.ended(job)
    progress = ended["progress"]
    assert (ended["state"], ended["reason"]) == ("cancelled", "stopped")
    assert 5 <= progress["done"] < 500
    assert progress["failed"] == progress["skipped"] == progress["unknown"] == 0
    assert ended["cancel_requested_at"] <= ended["finished_at"]

    calls = len(asked(provider, "stop"))
    assert len(rows_of(site, job)) == progress["done"] == len(site.items(job))
    assert f"/jobs/{job}/items.csv" in site.get(f"/jobs/{job}").text  # what was done can be downloaded
    assert len(asked(provider, "stop")) == calls <= progress["done"] + 6
    assert site.job(job)["state"] == "cancelled"


def test_a_job_that_waits_is_stopped_at_once(site: Site) -> None:
    job = site.submit("nap", "?run_at=2027-11-01T00:00:00Z", naps=1)
    assert site.tell(job, "cancel").json["state"] == "cancelled"
    assert site.send("POST", f"/api/v1/jobs/{job}/cancel").status in (202, 409)
    assert site.job(job)["attempt"] == 0


def test_only_what_failed_is_done_again(site: Site, provider: FakeProvider) -> None:
    ill = [f"w{number:04}" for number in (3, 7, 8)]
    provider.script(do=[{"do": "status", "status": 400, "match": word, "calls": 99} for word in ill])
    job = start(site, "again", 10)
    ended = site.ended(job)
    assert (ended["state"], ended["progress"]["done"], ended["progress"]["failed"]) == ("partial", 7, 3)
    assert sorted(row["word"] for row in rows_of(site, job, "?state=failed")) == ill
    assert len(asked(provider, "again")) == 10

    provider.script()
    site.tell(job, "retry?items=failed")
    until(lambda: site.job(job)["state"] == "succeeded", "the success of the second run")
    assert sorted(asked(provider, "again")[10:]) == ill
    assert len(rows_of(site, job)) == 10
    assert site.send("POST", f"/api/v1/jobs/{job}/retry?items=failed").status == 409


def test_what_is_no_answer_is_never_kept_as_one(site: Site, provider: FakeProvider) -> None:
    ways = [{"do": "status", "status": 429, "retry_after": 0.1}, {"do": "status", "status": 500}]
    ways += [{"do": what} for what in ("cut", "rubbish", "no_choices", "empty")]
    provider.script(do=[way | {"match": f"w{row:04}", "calls": 1} for row, way in enumerate(ways, start=1)])
    job = start(site, "ill", len(ways))
    ended = site.ended(job)
    assert (ended["state"], ended["progress"]["done"]) == ("succeeded", len(ways))
    assert {row["text"] for row in rows_of(site, job)} == {
        answer_to(f"ill {row['word']}") for row in rows_of(site, job)
    }
    assert sorted(asked(provider, "ill")) == sorted([f"w{row:04}" for row in range(1, len(ways) + 1)] * 2)


def test_all_is_done_again_if_that_is_asked(site: Site, provider: FakeProvider) -> None:
    provider.script()
    job = start(site, "all", 4)
    site.ended(job)
    site.tell(job, "retry?items=all")
    until(lambda: len(asked(provider, "all")) == 8, "a second call for each row")
    assert site.ended(job)["state"] == "succeeded"
    assert [row["word"] for row in rows_of(site, job)] == ["w0001", "w0002", "w0003", "w0004"]
