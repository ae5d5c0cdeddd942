"""Files that a conversation answers from: read at once, with no worker, found, cited, and gone with it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page
from sqlalchemy import text

from jobs.engine.chat import attachments, conversations
from jobs.engine.db import postgres
from jobs.engine.errors import JobFailed
from jobs.engine.files import uploads
from jobs.engine.queue import lists
from tests.fake_provider import FakeProvider
from tests.stories.site_client import until

LEASE = "# Lease\n\n## Notice\n\nThe notice period is three months to the end of a quarter.\n\n## Pets\n\nDogs are allowed.\n"
SAMPLES = Path(__file__).parents[3] / "jobs" / "samples"


@pytest.fixture(scope="module")
def app(app_with_model: Flask) -> Flask:
    return app_with_model


pytestmark = pytest.mark.usefixtures("clean")


def upload(client: FlaskClient, content: bytes | str, name: str = "lease.md") -> str:
    raw = content.encode() if isinstance(content, str) else content
    kept = client.post("/api/v1/files", data={"file": (io.BytesIO(raw), name)})
    assert kept.status_code == 201
    return str(kept.json["id"])


def attach(client: FlaskClient, conversation: str, file: str) -> Any:
    return client.post(f"/api/v1/chat/{conversation}/files", json={"file": file})


def talk(client: FlaskClient) -> str:
    return str(client.post("/api/v1/chat", json={}).json["id"])


def ask(client: FlaskClient, conversation: str, words: str) -> dict[str, Any]:
    asked = client.post(f"/api/v1/chat/{conversation}/messages", json={"text": words})
    assert asked.status_code == 202, asked.json
    return ended(client, asked.json)


def ended(client: FlaskClient, answer: dict[str, Any]) -> dict[str, Any]:
    until(lambda: client.get(answer["url"]).json["state"] != "writing", "the end of the answer")
    return dict(client.get(answer["url"]).json)


def counted() -> dict[str, int]:
    with postgres.session() as session:
        tables = ("conversations", "messages", "attachments", "attached_passages")
        return {name: session.scalar(text(f"select count(*) from {name}")) for name in tables}


@pytest.mark.slow
def test_a_file_is_picked_read_asked_and_cited_without_script(client: FlaskClient, provider: FakeProvider) -> None:
    """One form: the file and the question. What the model is given, what is cited, and where a click leads."""
    provider.script(do=[{"do": "slow", "text": "Three months, to the end of a quarter [1]."}])
    form = {"message": "How long is the notice period?", "files": (io.BytesIO(LEASE.encode()), "../lease.md")}
    made = client.post("/chat", data=form)
    assert made.status_code == 303
    conversation = made.location.split("/")[-1].removesuffix("#end")
    whole = client.get(f"/api/v1/chat/{conversation}").json
    answer = ended(client, whole["messages"][-1])
    [file] = whole["files"]
    assert file["name"] == "lease.md" and file["passages"] == 2
    assert "three months to the end of a quarter" in provider.calls()[-1]["prompt"]
    first = answer["sources"][0]
    assert (first["file_id"], first["document_id"], first["place"]) == (file["id"], None, "Lease > Notice")

    page = client.get(f"/chat/{conversation}").text
    link = f"/chat/files/{file['id']}?answer={answer['id']}&source=1#p{first['position']}"
    assert f'href="{link.replace("&", "&amp;")}"' in page and f'id="cite-{answer["id"]}-1"' in page
    shown = client.get(link).text
    marked = "<mark>The notice period is three months to the end of a quarter.</mark>"
    assert f'id="p{first["position"]}"' in shown and marked in shown
    for other in ("", "?answer=x&source=1", link.partition("?")[2].replace("source=1", "source=9").join("?#")):
        assert "<mark>" not in client.get(f"/chat/files/{file['id']}{other}").text
    assert client.get(f"/files/{file['file']}").data == LEASE.encode()
    assert client.get("/library").text.count("lease.md") == 0
    assert lists.list_jobs("local").rows == []


def test_a_file_joins_a_conversation_by_script(client: FlaskClient) -> None:
    conversation = talk(client)
    form = {"message": "Are dogs allowed?", "files": (io.BytesIO(LEASE.encode()), "lease.md")}
    headers = {"X-Requested-With": "chat.js", "Accept": "application/json"}
    asked = client.post(f"/chat/{conversation}/messages", data=form, headers=headers)
    assert asked.status_code == 202 and "lease.md" in asked.json["files"]
    answer = ended(client, {"url": f"/api/v1/chat/answers/{asked.json['answer']}"})
    assert answer["sources"][0]["text"] == "Dogs are allowed."
    plain = client.post(f"/chat/{conversation}/messages", data={"message": "And cats?"}, headers=headers)
    assert plain.json["files"] is None
    ended(client, {"url": f"/api/v1/chat/answers/{plain.json['answer']}"})


def test_documents_are_read_in_a_child(client: FlaskClient) -> None:
    conversation, name = talk(client), "price-list.pdf"
    made = attach(client, conversation, upload(client, (SAMPLES / name).read_bytes(), name))
    assert made.status_code == 201, made.json
    read = client.get(made.json["url"]).json
    assert len(read["text"]) == made.json["passages"] > 0 and all(one["text"] for one in read["text"])


def test_what_is_meant_is_found(client: FlaskClient) -> None:
    """Vectors are made by the process that was asked, also where another one was cut off before it had made them."""
    conversation = talk(client)
    made = attach(client, conversation, "sample:shop-handbook.md").json
    until(lambda: attachments.attachment(made["id"], "local").model, "vectors of every passage")
    meant = ask(client, conversation, "I have a fever and cannot come to work")
    assert "somebody is ill" in meant["sources"][0]["place"]
    with postgres.session() as session:
        session.execute(text("update attached_passages set embedding = null"))
        session.execute(text("update attachments set model = null, dimension = null"))
    again = ask(client, conversation, "I have a fever and cannot come to work")
    assert again["sources"] == meant["sources"]


def test_without_a_model_words_decide_and_no_word_means_the_beginning(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise JobFailed("no model here", reason="no_model")

    monkeypatch.setattr("jobs.engine.llm.embeddings.warm_child.embed", away)
    conversation = talk(client)
    made = attach(client, conversation, upload(client, LEASE)).json
    assert ask(client, conversation, "dogs?")["sources"][0]["text"] == "Dogs are allowed."
    vague = ask(client, conversation, "Zusammenfassung bitte")
    assert [source["position"] for source in vague["sources"]] == [0, 1]
    assert attachments.attachment(made["id"], "local").model is None


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"word " * 2_000, "long.txt", "Index documents"),
        (b" \n\n ", "blank.txt", "empty"),
        (b"%PDF-1.7 broken", "broken.pdf", "broken.pdf"),
        (b"MZ\x90\x00" + b"\x00" * 200, "setup.exe", "a Windows program"),
        ((SAMPLES / "letters.zip").read_bytes(), "letters.zip", "Process files"),
    ],
)
def test_what_cannot_be_read_is_said_and_the_message_kept(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, content: bytes, name: str, says: str
) -> None:
    monkeypatch.setattr(attachments, "MOST_ATTACHED_TEXT", 8_000)
    before = counted()
    refused = client.post("/chat", data={"message": "My words", "files": (io.BytesIO(content), name)})
    assert refused.status_code == 422 and says in refused.text and "My words" in refused.text
    assert counted() == before


def test_a_file_without_a_message_makes_nothing(client: FlaskClient) -> None:
    before = counted()
    refused = client.post("/chat", data={"message": " ", "files": (io.BytesIO(b"text"), "a.txt")})
    assert refused.status_code == 422 and counted() == before


def test_another_s_file_and_conversation_are_refused(client: FlaskClient) -> None:
    theirs = uploads.upload(io.BytesIO(LEASE.encode()), "theirs.md", owner="somebody else")
    foreign = conversations.start_conversation(conversations.ConversationSettings(), "somebody else")
    held = attachments.attach_files(foreign.id, [str(theirs.id)], owner="somebody else")[0]
    mine = talk(client)
    for ref in (str(theirs.id), str(uuid4()), "no-id", "../../etc/passwd", "sample:../x"):
        assert attach(client, mine, ref).status_code == 422
    assert attach(client, str(foreign.id), upload(client, LEASE)).status_code == 404
    before = counted()
    sent = client.post(f"/chat/{foreign.id}/messages", data={"message": "x", "files": (io.BytesIO(b"text"), "a.txt")})
    assert sent.status_code == 404 and counted() == before
    for path in (f"/chat/files/{held.id}", f"/api/v1/chat/files/{held.id}"):
        assert client.get(path).status_code == 404
    assert client.delete(f"/api/v1/chat/files/{held.id}").status_code == 404
    assert client.post(f"/chat/files/{held.id}/delete").status_code == 404
    assert [one.id for one in attachments.list_attachments(foreign.id)] == [held.id]


def test_a_file_leaves_and_the_rest_leaves_with_the_conversation(client: FlaskClient) -> None:
    before = counted()
    conversation = talk(client)
    one, two = (attach(client, conversation, upload(client, LEASE, name)).json for name in ("one.md", "two.md"))
    assert client.delete(one["url"]).status_code == 204 and client.get(one["url"]).status_code == 404
    assert [file["id"] for file in client.get(f"/api/v1/chat/{conversation}").json["files"]] == [two["id"]]
    assert client.post(f"/chat/files/{two['id']}/delete").status_code == 303
    assert ask(client, conversation, "dogs?")["sources"] == []
    attach(client, conversation, two["file"])
    assert client.delete(f"/api/v1/chat/{conversation}").status_code == 204
    assert counted() == before


def test_a_conversation_takes_so_many_files(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MOST_FILES", 1)
    conversation = talk(client)
    file = upload(client, LEASE)
    assert attach(client, conversation, file).status_code == 201
    refused = attach(client, conversation, file)
    assert refused.status_code == 429 and "Remove one" in refused.json["detail"]


@pytest.mark.slow
def test_the_script_shows_each_word_once_and_in_its_place(
    site: str, tab: Page, provider: FakeProvider, tmp_path: Path
) -> None:
    """A file goes with a message by script; and at each look the page holds a beginning of the answer, marks left out."""
    (tmp_path / "lease.md").write_text(LEASE)
    words = "One **bold** word, two words.\n\n- a list\n- of two\n\nAnd more words in a row. " * 4
    provider.script(do=[{"do": "slow", "text": "Hello"}, {"do": "slow", "text": words, "hold": 20}])
    tab.goto(f"{site}/chat")
    tab.fill("#message", "Hello")
    tab.click("[data-send]")
    tab.wait_for_selector(".answer[data-state=done]")
    tab.fill("#message", "Are dogs allowed?")
    tab.set_input_files("#attached", tmp_path / "lease.md")
    tab.click("[data-send]")
    tab.wait_for_selector("#files >> text=lease.md")
    tab.wait_for_selector(".answer[data-state=writing] >> text=/a list/")
    shown = plain(tab.inner_text(".answer >> nth=-1 >> [data-text]"))
    provider.script()
    while tab.locator(".answer[data-state=writing]").count():
        assert plain(words).startswith(shown), shown
        text_ = tab.evaluate("document.querySelector('.answer[data-state=writing] [data-text]')?.innerText")
        shown = plain(text_ or shown)
    assert plain(tab.inner_text(".answer >> nth=-1 >> [data-text]")) == plain(words)


def plain(words: str) -> str:
    return re.sub(r"[\s*-]", "", words)
