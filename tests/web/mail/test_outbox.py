"""The outbox: what was kept is listed, read without danger, downloaded and deleted; and looked at before it is started."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs.engine.mail import outbox, smtp
from jobs.engine.mail.addresses import parse_address
from jobs.engine.mail.compose import MailAttachment, OutgoingMail, compose_message
from jobs.engine.queue import queries
from jobs.send_emails import EXAMPLE
from tests.conftest import forget
from tests.kinds.job_runs import upload
from webapp.http.guards import LOCAL_OWNER
from webapp.ui import theme

EVIL = (
    "<h1 style='color: red'>Hi</h1><script>alert(1)</script><img src='https://evil.example/pixel.png' onerror='x()'>"
    "<img src='data:image/png;base64,AAAA'><a href='javascript:alert(2)'>a</a><form action='https://evil.example'>"
    "<input name=password></form><iframe src='https://evil.example'></iframe><style>@import 'https://evil.example/x.css'</style>"
)


@pytest.fixture(autouse=True)
def _empty(app: Flask) -> Iterator[None]:
    yield
    outbox.clear_outbox(owner=LOCAL_OWNER)


def keep(subject: str = "Hello", to: str = "Ann <ann@example.org>", owner: str = LOCAL_OWNER, **more: Any) -> Any:
    files = more.pop("files", [])
    letter = OutgoingMail(
        parse_address(to), parse_address("Nora <nora@example.org>"), subject, more.pop("text", "Dear Ann,\n"), **more
    )
    smtp.sender(owner).send(compose_message(letter, files))
    return outbox.outbox_messages(owner).rows[0]


def csrf(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_the_list_has_the_newest_first_and_pages_by_key(client: FlaskClient) -> None:
    for number in range(53):
        keep(f"Letter {number:02}")
    first = client.get("/outbox").text
    subjects = re.findall(r"Letter \d\d", first)
    assert (len(subjects), subjects[0], subjects[-1]) == (50, "Letter 52", "Letter 03")
    assert "53 in all" in first and "53 messages" in client.get("/outbox/delete").text
    older = re.search(r'href="(/outbox\?after=[^"]+)"', first)
    assert older
    assert re.findall(r"Letter \d\d", client.get(html.unescape(older[1])).text) == [
        "Letter 02",
        "Letter 01",
        "Letter 00",
    ]
    assert re.findall(r"Letter \d\d", client.get("/outbox?q=letter+17").text) == ["Letter 17"]
    assert "No message matches" in client.get("/outbox?q=%25").text
    assert client.get("/outbox?after=nonsense").status_code == 404


def test_a_message_shows_its_headers_text_and_files(client: FlaskClient) -> None:
    row = keep(
        "A <b>bold</b> subject", text="One & two <three>\n", files=[MailAttachment("plän.csv", "text/csv", b"a,b\n")]
    )
    page = client.get(f"/outbox/{row.id}").text
    assert "A &lt;b&gt;bold&lt;/b&gt; subject" in page
    assert "One &amp; two &lt;three&gt;" in page
    assert "Ann &lt;ann@example.org&gt;" in page
    assert "<iframe" not in page
    part = client.get(f"/outbox/{row.id}/parts/0")
    assert part.data == b"a,b\n"
    assert part.headers["Content-Disposition"].startswith("attachment")
    assert client.get(f"/outbox/{row.id}/parts/1").status_code == 404


def test_html_is_shown_where_it_can_do_nothing(client: FlaskClient) -> None:
    row = keep(html=EVIL)
    page = client.get(f"/outbox/{row.id}")
    frame = re.search(r"<iframe[^>]*>", page.text)
    assert frame and f'src="/outbox/{row.id}/html"' in frame[0] and "sandbox" in frame[0] and "allow-" not in frame[0]
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    inner = client.get(f"/outbox/{row.id}/html")
    rules = inner.headers["Content-Security-Policy"]
    assert rules.startswith("sandbox; default-src 'none'") and "img-src data:" in rules
    assert inner.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "<h1" in inner.text and "data:image/png" in inner.text
    for danger in ("script", "evil.example", "onerror", "javascript", "<form", "<iframe", "<input", "@import"):
        assert danger not in inner.text


def test_the_eml_is_the_message_as_it_would_have_gone_out(client: FlaskClient) -> None:
    row = keep("Grüße", html="<p>Hi</p>")
    answer = client.get(f"/outbox/{row.id}/message.eml")
    assert answer.mimetype == "message/rfc822"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    parsed = message_from_bytes(answer.data, policy=policy.default)
    assert (parsed["Subject"], parsed["Message-ID"]) == ("Grüße", row.message_id)


def test_deleting_all_asks_first(client: FlaskClient) -> None:
    row = keep()
    asked = client.get("/outbox/delete").text
    assert "Delete all messages?" in asked
    assert client.post("/outbox/delete").status_code == 400
    gone = client.post("/outbox/delete", data={"csrf_token": csrf(asked)})
    assert (gone.status_code, gone.location) == (303, "/outbox")
    assert "The outbox is empty" in client.get("/outbox").text
    assert client.get(f"/outbox/{row.id}").status_code == 404


def test_what_is_somebody_elses_is_not_found(client: FlaskClient) -> None:
    row = keep(owner="somebody else")
    for path in ("", "/html", "/message.eml", "/parts/0"):
        assert client.get(f"/outbox/{row.id}{path}").status_code == 404
    assert client.get(f"/api/v1/outbox/{row.id}").status_code == 404
    assert client.get("/api/v1/outbox").json == {"messages": [], "next": None}
    outbox.clear_outbox(owner="somebody else")


def test_the_api_lists_shows_and_deletes(client: FlaskClient) -> None:
    first, second = keep("One"), keep("Two", html="<p>x</p>")
    page = client.get("/api/v1/outbox?limit=1").json
    assert [row["subject"] for row in page["messages"]] == ["Two"]
    rest = client.get("/api/v1/outbox", query_string={"after": page["next"]}).json
    assert [row["id"] for row in rest["messages"]] == [str(first.id)] and rest["next"] is None
    shown = client.get(f"/api/v1/outbox/{second.id}").json
    assert shown["html"].strip() == "<p>x</p>" and {"name": "Subject", "value": "Two"} in shown["headers"]
    assert client.delete("/api/v1/outbox").status_code == 204
    assert client.get("/api/v1/outbox").json["messages"] == []


def test_the_menu_has_the_outbox_only_while_mail_is_not_set_up(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'href="/outbox"' in client.get("/outbox").text
    monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:1")
    forget()
    with app.test_request_context():
        assert "/outbox" not in [path for path, _ in theme._menu(None)]
    assert client.get("/outbox").status_code == 200
    monkeypatch.undo()
    forget()


# Suppressed addresses


def test_addresses_are_added_listed_and_taken_off(client: FlaskClient) -> None:
    token = csrf(client.get("/suppressions").text)
    added = client.post(
        "/suppressions", data={"csrf_token": token, "addresses": "Ann@Example.org\r\nbob@example.org\r\n"}
    )
    assert added.status_code == 303
    page = client.get("/suppressions").text
    assert "ann@example.org" in page and "bob@example.org" in page
    wrong = client.post("/suppressions", data={"csrf_token": token, "addresses": "cy@example.org\n<nonsense>"})
    assert wrong.status_code == 422 and "Line 2" in wrong.text and "&lt;nonsense&gt;" in wrong.text
    for name in ("ann", "bob"):
        client.post("/suppressions/remove", data={"csrf_token": token, "address": f"{name}@example.org"})
    assert "No suppressed addresses" in client.get("/suppressions").text


def test_the_api_keeps_the_same_list(client: FlaskClient) -> None:
    assert client.post("/api/v1/suppressions", json={"addresses": ["ann@example.org", "Ann@example.org"]}).json == {
        "added": 1
    }
    listed = client.get("/api/v1/suppressions").json
    assert [row["address"] for row in listed["suppressions"]] == ["ann@example.org"]
    assert client.post("/api/v1/suppressions", json={"addresses": ["a@b, c@d"]}).status_code == 422
    assert client.post("/api/v1/suppressions", json={"addresses": 5}).status_code == 422
    assert client.post("/api/v1/suppressions", json={}).status_code == 422
    assert client.delete("/api/v1/suppressions/ann@example.org").status_code == 204
    assert client.delete("/api/v1/suppressions/ann@example.org").status_code == 404


# Looking at a message first


def form(client: FlaskClient, **more: str) -> dict[str, str]:
    fields = {name: value for name, value in EXAMPLE.items() if isinstance(value, str)}
    return fields | {"csrf_token": csrf(client.get("/kinds/send_emails").text)} | more


def test_the_form_says_where_messages_go(client: FlaskClient) -> None:
    page = client.post("/kinds/send_emails", data=form(client, check="1")).text
    assert "to the outbox and are not sent" in page
    assert 'formaction="/kinds/send_emails/preview"' in page
    assert 'name="from"' in page


def test_the_message_of_any_row_can_be_looked_at(client: FlaskClient) -> None:
    page = client.post("/kinds/send_emails/preview", data=form(client, _place="3"))
    assert page.status_code == 200
    assert "Céline, your place in “Sharpening knives” is booked" in page.text
    assert "Céline &lt;celine@example.org&gt;" in page.text
    assert re.search(r'<iframe[^>]*srcdoc="&lt;p&gt;Dear Céline', page.text)
    assert "There is no row 13" in client.post("/kinds/send_emails/preview", data=form(client, _place="13")).text
    assert outbox.outbox_count(LOCAL_OWNER) == 0


def test_a_form_with_mistakes_comes_back_instead_of_a_preview(client: FlaskClient) -> None:
    page = client.post("/kinds/send_emails/preview", data=form(client, text="Dear {nme}"))
    assert page.status_code == 422 and "Did you mean {name}?" in page.text
    assert client.post("/kinds/generate_texts/preview", data=form(client)).status_code == 404


def test_a_test_can_be_sent_from_the_preview(client: FlaskClient) -> None:
    page = client.post("/kinds/send_emails/preview", data=form(client)).text
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))
    sent = client.post(
        "/kinds/send_emails",
        data={name: html.unescape(value) for name, value in hidden.items()} | {"test_to": "me@example.net"},
    )
    assert sent.status_code == 303
    job = queries.job(sent.location.rsplit("/", 1)[1], LOCAL_OWNER)
    assert (job.params["test_to"], job.params["from"], job.params["text"]) == (
        "me@example.net",
        EXAMPLE["from"],
        EXAMPLE["text"],
    )


def test_attached_files_come_along_to_the_preview_and_back(client: FlaskClient) -> None:
    ref = upload(b"hello", "note.txt")
    page = client.post("/kinds/send_emails/preview", data=form(client, attachments=ref)).text
    assert f'name="attachments" value="{ref}"' in page
