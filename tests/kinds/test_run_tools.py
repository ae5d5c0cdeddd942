"""Calls of tools: what they give, what they refuse before there is a job, and that a hung one is ended alone."""

from __future__ import annotations

import dataclasses
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from jobs import run_tools
from jobs.engine import library
from jobs.engine.db import postgres
from jobs.engine.db import redis as db_redis
from jobs.engine.errors import BadInput
from jobs.engine.kinds import estimates
from jobs.engine.kits.tools.registry import TOOLS
from jobs.engine.queue import job_log, queries
from jobs.engine.sandbox import http as sandbox_http
from tests.kinds.job_runs import OWNER, content, done, errors, items, upload
from webapp.app import create_app

PAGE = b"<title>Bakery</title><style>p{}</style><script>alert(1)</script><p>Bread &amp; rolls</p>"


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        leads_on = self.path == "/away"
        self.send_response(302 if leads_on else 200)
        self.send_header("Content-Type", "image/png" if self.path == "/picture" else "text/html")
        if leads_on:
            self.send_header("Location", "http://localhost:1/inside")
        self.end_headers()
        self.wfile.write(self.path.encode() if self.path.startswith("/echo") else PAGE)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def calls(*some: tuple[str, dict[str, Any]]) -> str:
    lines = [json.dumps({"tool": name, "arguments": arguments}) for name, arguments in some]
    return upload("\n".join(lines).encode(), "calls.jsonl")


def result(name: str, **arguments: Any) -> Any:
    """The output of one call."""
    job = done("run_tools", tool=name, arguments=arguments)
    assert job.state == "succeeded"
    return items(job)[0].output


def test_the_form_offers_all_tools() -> None:
    assert set(run_tools.Params.model_json_schema()["properties"]["tool"]["enum"]) - {""} == set(TOOLS)


def test_each_tool_says_what_it_takes(environment: Callable[..., None]) -> None:
    for one in TOOLS.values():
        assert one.read(one.example)
        assert len(one.details) == len(one.Arguments.model_fields)
        assert str(next(iter(one.example.values())))[:5].strip("[]'") in one.usage
    found = estimates.estimate("run_tools", {"tool": "search_library", "arguments": {"query": "x"}}, owner=OWNER)
    assert found and found.notes[1:] == (
        "query (text): Query.",
        "collection (text): Collection. Empty: all of them.",
        "limit (whole number, at least 1, at most 50): Most passages.",
    )
    form = create_app({"TESTING": True}).test_client().get("/kinds/run_tools").text
    assert all(f'name="arguments.{name}"' in form for name in ("formula", "values", "query", "url"))


@pytest.mark.slow
def test_the_example_calls_four_tools(environment: Callable[..., None]) -> None:
    job = done("run_tools", **run_tools.EXAMPLE)
    assert (job.state, job.label) == ("succeeded", "tool-calls.jsonl")
    calculated, queried, read, counted = [item.output for item in items(job)]
    assert calculated["result"] == "1740"
    assert json.loads(queried["result"].splitlines()[1])[0] == 60
    assert "more characters]" in read["result"]
    assert (counted["result"].split()[1], counted["exit"]) == ("reviews.csv", 0)


def test_what_does_not_fit_is_refused_before_there_is_a_job(environment: Callable[..., None]) -> None:
    def refused(name: str, **arguments: Any) -> str:
        return errors("run_tools", tool=name, arguments=arguments)["arguments"]

    assert "no argument “formul”" in refused("calculate", formul="1")
    assert "value for x" in refused("calculate", formula="x + 1")
    assert "no such sample" in refused("query_table", files=["sample:none.csv"], sql="select 1")
    assert "by their names" in refused("run_command", program="cat", arguments=["/etc/passwd"])
    assert "short options" in refused("run_command", program="sort", arguments=["--compress-program=sh"])
    assert "program" in refused("run_command", program="sh")
    assert "not allowed to call" in refused("fetch_page", url="https://example.org/")
    assert "inside this machine" in refused("fetch_page", url="http://127.0.0.1/")
    assert "Choose a tool" in errors("run_tools")["tool"]
    told = errors("run_tools", calls=calls(("calculate", {"formula": "1"}), ("calculat", {})))["calls"]
    assert told == "Call 2: There is no tool “calculat”. Did you mean calculate?"


def test_one_hung_call_is_ended_alone(environment: Callable[..., None]) -> None:
    hung = "run_command", {"program": "tail", "arguments": ["-f", "books.csv"], "files": ["sample:books.csv"]}
    endless = "query_table", {"files": ["sample:orders.csv"], "sql": "select sum(a.i * b.i) from range(10000000) a(i), range(10000000) b(i)"}  # fmt: skip  # noqa: E501
    job = done("run_tools", calls=calls(hung, endless, ("calculate", {"formula": "2 ** 10"})), seconds=1)
    assert (job.state, job.done, job.failed) == ("partial", 1, 2)
    first, second, third = items(job)
    assert (first.reason, second.reason) == ("time_limit", "time_limit")
    assert third.output["result"] == "1024"


def test_a_long_result_is_cut_and_kept_whole(environment: Callable[..., None]) -> None:
    job = done("run_tools", tool="run_command", arguments={"program": "seq", "arguments": ["3000"]})
    [item], [file] = items(job), queries.output_files(job)
    assert len(item.output["result"]) == run_tools.CUT + 1
    assert item.output["whole"] == str(file.id)
    assert content(file).split()[-1] == b"3000"


@pytest.mark.slow
def test_a_program_has_no_environment_and_tells_its_exit(environment: Callable[..., None]) -> None:
    assert result("run_command", program="grep", arguments=["x"], input="abc\n")["exit"] == 1
    assert result("run_command", program="tr", arguments=["a-c", "A-C"], input="abc\n")["result"] == "ABC\n"
    module = upload(b"raise SystemExit('taken for a module')", "ctypes.py")
    assert result("run_command", program="cat", arguments=["ctypes.py"], files=[module])["exit"] == 0


def test_the_library_is_searched_and_read(environment: Callable[..., None]) -> None:
    document = library.add_text(OWNER, "library", "Bread", "Rye bread keeps for a week.")
    assert result("read_document", document=str(document), start=4, characters=5)["result"].startswith("bread\n[")
    assert result("search_library", query="bread")["result"] == "Nothing was found."  # there is no index yet


def test_a_page_becomes_text(environment: Callable[..., None], site: str) -> None:
    environment(OUTGOING_PRIVATE="1")
    job = done("run_tools", tool="fetch_page", arguments={"url": f"{site}/"}, hosts=["127.0.0.1"])
    assert items(job)[0].output["result"] == "Bakery\nBread & rolls"
    for path, reason in (("/away", "host_not_allowed"), ("/picture", "no_text")):
        job = done("run_tools", tool="fetch_page", arguments={"url": site + path}, hosts=["127.0.0.1"])
        assert items(job)[0].reason == reason


def test_a_name_that_leads_inside_is_refused_at_the_hop(environment: Callable[..., None]) -> None:
    with pytest.raises(BadInput, match="inside this machine"):
        sandbox_http.get("http://localhost:1/", 5, lambda host: None)


SECRET = "s3cr3t+key/=="


@pytest.mark.slow
def test_a_secret_is_used_and_shown_nowhere(environment: Callable[..., None], site: str) -> None:
    environment(OUTGOING_PRIVATE="1")
    echo = "run_command", {"program": "cat", "input": "it is {{secret}}"}
    long = "run_command", {"program": "cat", "input": "{{secret}} " * 2_000}
    asked = "fetch_page", {"url": f"{site}/echo?key={{{{secret}}}}"}
    job = done("run_tools", calls=calls(echo, long, asked), secret=SECRET, hosts=["127.0.0.1"])
    first, second, third = items(job)
    assert first.output["result"] == "it is •••"
    assert first.input["arguments"]["input"] == "it is {{secret}}"
    assert second.output["result"].startswith("••• •••")
    assert third.output["result"] == "/echo?key=•••"
    (file,) = queries.output_files(job)
    assert content(file).decode() == "••• " * 2_000
    with postgres.session() as session:
        connection = session.connection()
        kept = [
            str(row)
            for table in ("items", "job_log", "attempts", "files", "steps")
            for row in connection.execute(text(f"select * from {table}")).all()
        ]
    assert len(kept) > 3
    assert not [row for row in kept if "s3cr3t" in row]
    with db_redis.broker() as redis:
        assert not [
            key
            for key in redis.scan_iter()
            if redis.type(key) == b"hash" and b"s3cr3t" in repr(redis.hgetall(key)).encode()
        ]
    with create_app({"TESTING": True}).test_client() as client:
        for path in ("", "/items", "/files", "/log", "/input", "/timeline", "/items.jsonl", "/all.zip"):
            assert b"s3cr3t" not in client.get(f"/jobs/{job.id}{path}").data
        told = client.get(f"/api/v1/jobs/{job.id}")
        assert told.json["params"]["secret"] == "•••"
        assert b"s3cr3t" not in told.data
        assert b"s3cr3t" not in client.get(f"/kinds/run_tools?from={job.id}").data


def test_an_error_does_not_tell_the_secret(environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    told = errors("run_tools", tool="fetch_page", arguments={"url": "http://{{secret}}.example/"}, secret="tokentoken")
    assert "•••" in told["arguments"] and "tokentoken" not in str(told)
    assert "characters" in errors("run_tools", tool="calculate", arguments={"formula": "1"}, secret="abc")["secret"]

    def fails(*_: object) -> None:
        raise RuntimeError("could not use tokentoken")

    broken = dataclasses.replace(TOOLS["calculate"], run=fails)
    monkeypatch.setitem(TOOLS, "calculate", broken)
    job = done("run_tools", tool="calculate", arguments={"formula": "1"}, secret="tokentoken")
    assert items(job)[0].error == "RuntimeError: could not use •••"
    lines = [line.text for line in job_log.read_log(job).rows]
    assert any("could not use •••" in line for line in lines)
    assert "tokentoken" not in str(lines) + str(job.message) + str(job.detail)
