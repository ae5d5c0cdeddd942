"""The JSON API from outside: the verbs, and what it answers to bodies that are not what they should be."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobs.engine.kinds import catalogue

NAPS = "/api/v1/kinds/nap/jobs"
NOWHERE = f"/api/v1/jobs/{uuid4()}"


def submit(client: FlaskClient, params: dict[str, Any] | None = None, query: str = "", **headers: str) -> TestResponse:
    return client.post(NAPS + query, json={"naps": 2} if params is None else params, headers=headers)


def raw(client: FlaskClient, body: bytes | str, content_type: str = "application/json") -> TestResponse:
    return client.post(NAPS, data=body, content_type=content_type)


def assert_problem(response: TestResponse, status: int, field: str | None = None) -> dict[str, Any]:
    """A problem by RFC 9457, with a sentence, and the field it is about."""
    problem = json.loads(response.get_data())
    assert response.status_code == status, problem
    assert response.content_type == "application/problem+json"
    assert problem["status"] == status
    assert problem["detail"]
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]]
        assert all(error["message"] for error in problem["errors"])
    return problem


def job_count(client: FlaskClient) -> int:
    return len(client.get("/api/v1/jobs?limit=200").get_json()["jobs"])


# The verbs.


@pytest.mark.slow
def test_every_kind_is_listed_with_what_the_contract_names(client: FlaskClient) -> None:
    listed = client.get("/api/v1/kinds").get_json()
    assert listed["next"] is None
    assert {"name", "title", "group", "queue", "available", "reason"} <= set(listed["kinds"][0])
    assert [kind["name"] for kind in listed["kinds"]] == [kind.name for kind in catalogue.kinds()]


def test_a_kind_shows_its_schema_and_an_example_that_fits(client: FlaskClient) -> None:
    nap = client.get("/api/v1/kinds/nap").get_json()
    assert nap["schema"]["properties"]["naps"]["title"] == "Naps"
    assert client.post(NAPS, json=nap["example"]).status_code == 202


def test_a_submission_answers_with_the_job_and_where_to_look(client: FlaskClient) -> None:
    response = submit(client, {"naps": 3})
    job = response.get_json()
    assert response.status_code == 202
    assert response.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert int(response.headers["Retry-After"]) >= 1
    assert (job["kind"], job["state"], job["params"]["naps"]) == ("nap", "queued", 3)
    assert set(job["progress"]) == {"done", "failed", "skipped", "unknown", "total", "note"}
    assert client.get(response.headers["Location"]).get_json()["id"] == job["id"]


def test_an_idempotency_key_makes_one_job(client: FlaskClient) -> None:
    key = uuid4().hex
    answers = [submit(client, **{"Idempotency-Key": key}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.get_json()["id"] for answer in answers}) == 1
    assert_problem(submit(client, {"naps": 4}, **{"Idempotency-Key": key}), 409)


@pytest.mark.parametrize("key", ["", "two words", "x" * 201, "caf\xe9"])
def test_a_strange_idempotency_key_is_refused(client: FlaskClient, key: str) -> None:
    assert_problem(submit(client, **{"Idempotency-Key": key}), 422, "Idempotency-Key")


def test_a_sample_is_kept_with_the_job(client: FlaskClient) -> None:
    assert submit(client, query="?sample=3").get_json()["sample"] == 3


@pytest.mark.parametrize("sample", ["0", "1001", "-1", "1e2", "1_0", "", "%D9%A1", " 3"])
def test_a_sample_out_of_range_is_refused(client: FlaskClient, sample: str) -> None:
    assert_problem(submit(client, query=f"?sample={sample}"), 422, "sample")


def test_a_job_for_later_is_scheduled(client: FlaskClient) -> None:
    at = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    job = submit(client, query=f"?run_at={at.isoformat().replace('+', '%2B')}").get_json()
    assert datetime.fromisoformat(job["run_at"]) == at
    assert job["waiting_for"]["code"] == "scheduled"
    assert job["id"] in [row["id"] for row in client.get("/api/v1/jobs?state=scheduled").get_json()["jobs"]]


@pytest.mark.parametrize(
    "at", ["2001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2031-02-30T00:00:00Z",
           "tomorrow", "2031-01-01", "2031-01-01T00:00:00", "0001-01-01T00:00:00%2B23:59", ""],
)  # fmt: skip
def test_a_time_that_cannot_be_meant_is_refused(client: FlaskClient, at: str) -> None:
    assert_problem(submit(client, query=f"?run_at={at}"), 422, "run_at")


def test_a_list_is_paged_to_its_end(client: FlaskClient) -> None:
    made = {submit(client).get_json()["id"] for _ in range(5)}
    seen: list[str] = []
    after = ""
    for _ in range(200):
        page = client.get(f"/api/v1/jobs?limit=2&kind=nap{after}").get_json()
        seen += [job["id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert page["next"] is None
    assert made <= set(seen)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("query", ["state=asleep", "limit=0", "limit=201", "limit=x", "q=%00", "kind=" + "k" * 101])
def test_a_query_that_does_not_fit_names_its_field(client: FlaskClient, query: str) -> None:
    assert_problem(client.get(f"/api/v1/jobs?{query}"), 422, query.split("=")[0])


@pytest.mark.parametrize("cursor", ["x", "%00", "-1", "9" * 30, "1~", "~~~", "%FF"])
@pytest.mark.parametrize("of", ["", "/items", "/log"])
def test_a_made_up_cursor_is_no_fault_of_ours(client: FlaskClient, of: str, cursor: str) -> None:
    job = submit(client).get_json()["id"]
    address = f"/api/v1/jobs/{job}{of}" if of else "/api/v1/jobs"
    assert client.get(f"{address}?after={cursor}").status_code in (200, 404, 422)


def test_a_waiting_job_is_cancelled_retried_and_deleted(client: FlaskClient) -> None:
    address = submit(client).headers["Location"]
    assert_problem(client.delete(address), 409)
    assert client.post(f"{address}/cancel").get_json()["state"] == "cancelled"
    assert client.post(f"{address}/cancel").status_code in (202, 409)
    assert client.post(f"{address}/retry").get_json()["state"] == "queued"
    assert_problem(client.post(f"{address}/retry"), 409)
    client.post(f"{address}/cancel")
    assert client.delete(address).status_code == 204
    assert_problem(client.get(address), 404)


def test_retry_asks_for_all_or_failed(client: FlaskClient) -> None:
    assert_problem(client.post(f"{NOWHERE}/retry?items=some"), 422, "items")


def test_items_and_log_of_a_new_job_are_empty_lists(client: FlaskClient) -> None:
    address = submit(client).headers["Location"]
    assert client.get(f"{address}/items").get_json() == {"items": [], "next": None}
    log = client.get(f"{address}/log").get_json()
    assert set(log) == {"lines", "next"}


def test_a_file_comes_back_as_it_was_sent(client: FlaskClient) -> None:
    response = client.post("/api/v1/files", data={"file": (io.BytesIO(b"a,b\n1,2\n"), "t\u00e4ble.csv")})
    kept = response.get_json()
    assert response.status_code == 201
    assert (kept["name"], kept["bytes"], len(kept["sha256"])) == ("t\u00e4ble.csv", 8, 64)
    back = client.get(response.headers["Location"])
    assert back.get_data() == b"a,b\n1,2\n"
    assert back.headers["Content-Disposition"].startswith("attachment")
    assert back.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["../../x", "C:\\x", "a\x00b.csv", "..", "n" * 400, "\u62a5\u544a.csv", '"; x'])
def test_a_file_of_any_name_is_kept_under_an_id(client: FlaskClient, name: str) -> None:
    response = client.post("/api/v1/files", data={"file": (io.BytesIO(b"x"), name)})
    assert response.status_code == 201
    assert client.get(response.headers["Location"]).get_data() == b"x"


def test_an_upload_needs_one_file_that_is_not_empty(client: FlaskClient) -> None:
    assert_problem(client.post("/api/v1/files", data={"other": (io.BytesIO(b"x"), "x")}), 422, "file")
    assert_problem(client.post("/api/v1/files", data={"file": (io.BytesIO(b""), "x.csv")}), 422)
    assert_problem(client.post("/api/v1/files", json={"file": "x"}), 415)


# Bodies that are not what they should be.

MALFORMED = {
    "nothing": b"",
    "half": b'{"naps": ',
    "deep": b"[" * 100_000,
    "deep and whole": b'{"naps": ' + b"[" * 500 + b"]" * 500 + b"}",
    "nan": b'{"naps": NaN}',
    "infinity": b'{"naps": -Infinity}',
    "too big a float": b'{"naps": 1e400}',
    "5,000 digits": b'{"naps": ' + b"9" * 5_000 + b"}",
    "a name twice": b'{"naps": 1, "naps": 2}',
    "not utf-8": b'{"witness": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"naps": 1}',
}
UNFIT = {
    "a list": (b"[1]", ""),
    "a text": (b'"naps"', ""),
    "null": (b"null", ""),
    "70 bits": (b'{"naps": %d}' % 2**70, "naps"),
    "half a surrogate pair": (b'{"witness": "\\ud800"}', "witness"),
    "a NUL": (b'{"witness": "a\\u0000"}', "witness"),
    "a NUL in a name": (b'{"a\\u0000": 1}', ""),
    "deep inside": (b'{"fail": [1, 99999999999999999999]}', "fail.1"),
    "another's field": (b'{"naps": 1, "owner": "root"}', "owner"),
    "a state": (b'{"naps": 1, "state": "succeeded"}', "state"),
    "a lease": (b'{"naps": 1, "lease": 9}', "lease"),
    "out of range": (b'{"naps": -1}', "naps"),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_json_is_refused(client: FlaskClient, body: bytes) -> None:
    before = job_count(client)
    assert_problem(raw(client, body), 400)
    assert job_count(client) == before


@pytest.mark.parametrize(("body", "field"), UNFIT.values(), ids=UNFIT.keys())
def test_what_does_not_fit_names_its_field(client: FlaskClient, body: bytes, field: str) -> None:
    before = job_count(client)
    assert_problem(raw(client, body), 422, field)
    assert job_count(client) == before


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_media_type_is_refused(client: FlaskClient, content_type: str) -> None:
    assert_problem(raw(client, b'{"naps": 1}', content_type), 415)


def test_a_body_over_a_megabyte_is_refused(client: FlaskClient) -> None:
    assert_problem(raw(client, b'{"witness": "' + b"x" * 1_000_001 + b'"}'), 413)


def test_so_is_one_that_does_not_say_how_long_it_is(client: FlaskClient) -> None:
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    body = io.BytesIO(b'{"witness": "' + b"x" * 1_000_001 + b'"}')
    response = client.post(NAPS, input_stream=body, content_type="application/json", environ_overrides=chunked)
    assert_problem(response, 413)


@pytest.mark.parametrize("name", ["os.system", "..%2Fx", "nothing", "engine", "__init__", "%00", "n" * 10_000])
def test_a_kind_that_is_none_is_not_found(client: FlaskClient, name: str) -> None:
    assert_problem(client.get(f"/api/v1/kinds/{name}"), 404)
    assert_problem(client.post(f"/api/v1/kinds/{name}/jobs", json={}), 404)


@pytest.mark.parametrize(
    "id", ["00000000-0000-7000-8000-000000000000", "1", "-1", "x" * 500, "%00", "%FF", "\u0661" * 36, str(2**70)]
)
def test_an_id_that_is_none_is_not_found(client: FlaskClient, id: str) -> None:
    for address in (f"/api/v1/jobs/{id}", f"/api/v1/jobs/{id}/items", f"/api/v1/jobs/{id}/log", f"/api/v1/files/{id}"):
        assert_problem(client.get(address), 404)
    for verb in ("cancel", "retry"):
        assert_problem(client.post(f"/api/v1/jobs/{id}/{verb}"), 404)
    assert_problem(client.delete(f"/api/v1/jobs/{id}"), 404)


def test_a_method_that_is_not_taken_says_which_are(client: FlaskClient) -> None:
    response = client.put("/api/v1/kinds")
    assert_problem(response, 405)
    assert "GET" in response.headers["Allow"]
