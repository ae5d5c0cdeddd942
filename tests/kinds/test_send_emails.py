"""Mail merge against a real SMTP server that misbehaves when told to, and into the outbox."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from jobs import send_emails
from jobs.engine.db.models import Item, Job
from jobs.engine.errors import BadInput, InvalidParams
from jobs.engine.kinds import estimates
from jobs.engine.mail import bulk_sender, enclosures, outbox, smtp, suppressions
from jobs.engine.queue import commands, job_log, queries
from tests.engine.workers import adds_up, begun, ended, kill, running, until
from tests.kinds.job_runs import OWNER, done, errors, items, run, upload
from tests.mail_server import MailServer

TABLE = "email,name,city\nann@example.org,Ann,Bonn\nbob@example.org,Bob,Rom\n"
PARAMS: dict[str, Any] = {"from": "Nora <nora@example.org>", "subject": "For {name}", "text": "Hello {name}.\n"}


@pytest.fixture
def server(environment: Callable[..., None]) -> Iterator[MailServer]:
    with MailServer() as started:
        environment(SMTP_URL=started.url)
        yield started


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_sender, "PAUSES", (0.05, 0.05, 0.05))


def params(table: str = TABLE, **more: Any) -> dict[str, Any]:
    return PARAMS | {"recipients": upload(table.encode(), "people.csv"), "per_second": None} | more


def sent(table: str = TABLE, **more: Any) -> Job:
    return done("send_emails", **params(table, **more))


def wrong(table: str = TABLE, **more: Any) -> dict[str, str]:
    return errors("send_emails", **params(table, **more))


def by_key(job: Job) -> dict[str, Item]:
    return {item.key: item for item in items(job)}


def body(message: EmailMessage, kind: str = "plain") -> str:
    found = message.get_body((kind,))
    assert found
    content: str = found.get_content()
    return content.replace("\r\n", "\n")


def to_all(*names: str) -> str:
    return "email,name\n" + "".join(f"{name}@example.org,{name.title()}\n" for name in names)


# What arrives


def test_each_row_gets_its_message(server: MailServer) -> None:
    job = sent(html="<p>Hello <b>{name}</b> of {city}</p>", name_column="name", reply_to="desk@example.org")
    assert (job.state, job.done, job.total, job.result["sent"]) == ("succeeded", 2, 2, 2)
    (ann,) = server.to("ann@example.org")
    assert (ann["From"], ann["To"], ann["Reply-To"]) == (
        "Nora <nora@example.org>", "Ann <ann@example.org>", "desk@example.org",
    )  # fmt: skip
    assert ann["Subject"] == "For Ann"
    assert body(ann) == "Hello Ann.\n"
    assert body(ann, "html") == "<p>Hello <b>Ann</b> of Bonn</p>\n"
    item = by_key(job)["ann@example.org"]
    assert item.output["address"] == "ann@example.org"
    assert item.output["smtp_reply"].startswith("250 taken as")
    assert item.output["message_id"] == ann["Message-ID"]
    assert item.output["sent_at"].endswith("Z")
    assert server.connections <= 4


def test_values_are_escaped_in_html_and_nowhere_else(server: MailServer) -> None:
    sent("email,name\nann@example.org,<b>A&B</b>\n", html="<p title='{name}'>{name}</p>", text="{name}")
    (ann,) = server.messages
    assert body(ann) == "<b>A&B</b>\n"
    assert "<p title='&lt;b&gt;A&amp;B&lt;/b&gt;'>" in body(ann, "html")


def test_lines_that_begin_with_a_dot_and_odd_line_ends_arrive(server: MailServer) -> None:
    table = json.dumps({"email": "ann@example.org", "name": "a\r.\r\nb\n.\n"}) + "\n"
    source = upload(table.encode(), "people.jsonl")
    job = done(
        "send_emails", **PARAMS | {"recipients": source, "subject": "Hi", "text": ".\n{name}\n..c", "per_second": None}
    )
    (ann,) = server.messages
    assert job.state == "succeeded"
    assert [line for line in ann.get_content().splitlines() if line] == [".", "a", ".", "b", ".", "..c"]


def test_attachments_and_list_unsubscribe_come_along(server: MailServer) -> None:
    file = upload(b"\x00\xffdata", "Plän\n.pdf")
    link = "https://example.org/stop?who={email}"
    sent(attachments=[file], list_unsubscribe=link, one_click=True)
    (ann,) = server.to("ann@example.org")
    (part,) = ann.iter_attachments()
    assert part.get_content() == b"\x00\xffdata" and "\n" not in part.get_filename()
    assert ann["List-Unsubscribe"].strip() == "<https://example.org/stop?who=ann%40example.org>"
    assert ann["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_fallback_pictures_and_files_of_ones_own_arrive(server: MailServer) -> None:
    table = "email,name,invoice\nann@example.org,,a.pdf\nbob@example.org,Bob,\ncarl@example.org,Carl,c.pdf\n"
    logo, shared = upload(b"\x89PNG\r\n\x1a\n", "my logo.png"), upload(b"all", "all.txt")
    own = [upload(b"for ann", "a.pdf"), upload(b"for nobody", "b.pdf")]
    files: dict[str, Any] = {
        "pictures": [logo],
        "attachments": [shared],
        "personal_files": own,
        "attachment_column": "invoice",
    }
    html = '<p>Dear {name|friend & guest},</p><img src="cid:my%20logo.png">'
    job = sent(table, text="Dear {name|friend & guest}", html=html, **files)
    (ann,), (bob,) = server.to("ann@example.org"), server.to("bob@example.org")
    assert (body(ann), body(bob)) == ("Dear friend & guest\n", "Dear Bob\n")
    assert "<p>Dear friend &amp; guest,</p>" in body(ann, "html")
    (picture,) = [part for part in ann.walk() if part.get_content_type() == "image/png"]
    assert f'src="cid:{str(picture["Content-ID"]).strip("<>")}"' in body(ann, "html")
    assert [(one.get_filename(), one.get_content()) for one in ann.iter_attachments()] == [
        ("all.txt", "all"),
        ("a.pdf", b"for ann"),
    ]
    assert [one.get_filename() for one in bob.iter_attachments()] == ["all.txt"]
    assert by_key(job)["carl@example.org"].error == "There is no file “c.pdf” among the files of each person."
    said = wrong(table, html=html, **(files | {"pictures": [], "attachment_column": "bill"}))
    assert "“my logo.png”, which is not among the pictures" in said["pictures"]
    assert said["attachment_column"] == "There is no column “bill”."
    assert (
        "Say which column" in wrong(table, **(files | {"pictures": [], "attachment_column": ""}))["attachment_column"]
    )


def test_mail_of_the_domain_is_signed(environment: Callable[..., None]) -> None:
    import dkim
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}".encode()
    with MailServer() as server:
        one_line = pem.replace("\n", "\\n")
        environment(SMTP_URL=server.url, DKIM_KEY=one_line, DKIM_DOMAIN="example.org", DKIM_SELECTOR="s1")
        sent(list_unsubscribe="https://example.org/u", text=".\nHällo {name}\n..\n")
        sources = server.sources
        assert len(sources) == 2
        assert all(dkim.verify(source, dnsfunc=lambda name, timeout=5: record) for source in sources)
        header = sources[0].split(b"\r\nFrom:")[0].replace(b"\r\n ", b"").lower()
        assert b"d=example.org" in header and b"s=s1" in header and b"list-unsubscribe" in header
        assert not dkim.verify(sources[0].replace(b"For ", b"Fox "), dnsfunc=lambda name, timeout=5: record)
        environment(SMTP_URL=server.url, DKIM_KEY=one_line, DKIM_DOMAIN="example.net")
        sent()
        assert not server.sources[-1].lower().startswith(b"dkim-signature")


def test_names_in_other_scripts_arrive(server: MailServer) -> None:
    job = sent("email,name\nann@bücher.example,Åsa\nжанна@example.org,Жанна\n", name_column="name")
    assert (job.state, job.done) == ("succeeded", 2)
    (one,) = server.to("xn--bcher-kva.example")
    assert one["To"] == "Åsa <ann@xn--bcher-kva.example>"
    assert server.to("жанна@example.org")


def test_a_server_that_knows_only_plain_letters_says_so(environment: Callable[..., None]) -> None:
    with MailServer(utf8=False) as server:
        environment(SMTP_URL=server.url)
        job = sent("email,name\nжанна@example.org,Жанна\nann@example.org,Ann\n")
    assert (job.state, job.done, job.failed) == ("partial", 1, 1)
    assert "only ASCII" in (by_key(job)["жанна@example.org"].error or "")


def test_cells_are_written_as_the_sheet_shows_them_and_errors_are_told(server: MailServer, tmp_path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "bill.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["email", "share", "total"])
        for row, name in enumerate(("ann", "bob"), 1):
            sheet.write(row, 0, f"{name}@example.org")
            sheet.write_number(row, 1, 0.15, book.add_format({"num_format": "0 %"}))
        sheet.write_number(1, 2, 3.3000000000000003, book.add_format({"num_format": "0.00"}))
        sheet.write_formula(2, 2, "=NA()", None, "#N/A")
    id = upload(tmp_path / "bill.xlsx")
    skipping = done(
        "send_emails", **params(recipients=id, subject="Bill", text="{share} of {total}", error_cells="skip")
    )
    assert [body(letter).strip() for letter in server.messages] == ["15 % of 3.30"]
    assert by_key(skipping)["bob@example.org"].error == "The cell of “total” holds #N/A."
    assert skipping.result["table_notes"] == ["bill.xlsx: 1 cell of “total” holds #N/A and was read as empty."]
    done("send_emails", **params(recipients=id, subject="Bill", text="{share} of {total}"))
    assert sorted(body(letter).strip() for letter in server.messages[1:]) == ["15 % of", "15 % of 3.30"]


def test_a_pasted_list_is_enough(server: MailServer) -> None:
    text = "Ann Arbor <ann@example.org>\n\nbob@example.org\nnonsense\n"
    job = done("send_emails", **PARAMS, addresses=text)
    assert (job.done, job.failed, job.total) == (2, 1, 3)
    assert server.to("ann@example.org")[0]["Subject"] == "For Ann Arbor"


def test_a_test_goes_to_one_address_and_to_nobody_else(server: MailServer) -> None:
    job = sent(test_to="me@example.net")
    assert (job.state, job.done, job.total, job.label) == ("succeeded", 1, 1, "test to me@example.net")
    (only,) = server.messages
    assert (only["To"], only["Subject"]) == ("me@example.net", "[Test] For Ann")


# What goes wrong


def test_each_answer_of_the_server_has_its_end(server: MailServer) -> None:
    job = sent(to_all("ann", "busy", "later", "no", "refused", "hang", "cut", "shut", "zoe"), connections=3)
    found = by_key(job)
    states = {key.split("@")[0]: item.state for key, item in found.items()}
    assert states == {
        "ann": "done", "busy": "done", "later": "failed", "no": "failed", "refused": "failed",
        "hang": "unknown", "cut": "unknown", "shut": "done", "zoe": "done",
    }  # fmt: skip
    assert (job.state, job.done, job.failed, job.unknown, job.total) == ("partial", 4, 3, 2, 9)
    assert "550 5.1.1 No such user here" in (found["no@example.org"].error or "")
    assert found["no@example.org"].reason == "refused"
    assert "554 5.7.1 This looks like spam" in (found["refused@example.org"].error or "")
    assert "451 4.7.1" in (found["later@example.org"].error or "")
    assert "did not say whether" in (found["hang@example.org"].error or "")
    assert server.asked["no@example.org"] == 1 and server.asked["later@example.org"] == 4
    assert set(server.seen.values()) == {1}


def test_only_the_failed_are_sent_again_by_that_button(server: MailServer) -> None:
    job = sent(to_all("ann", "later", "cut"), tries=1)
    assert (job.done, job.failed, job.unknown) == (1, 1, 1)
    server.asked.clear()
    job = run(commands.retry(job.id, owner=OWNER, items="failed"))
    assert dict(server.asked) == {"later@example.org": 1}
    assert (job.done, job.failed, job.unknown, job.total) == (1, 1, 1, 3)


def test_a_plain_retry_writes_to_nobody_who_was_written_to(server: MailServer) -> None:
    """A person's click sends those again that are in doubt, and still nobody's second copy."""
    job = sent(to_all("ann", "later", "cut", "bob"), tries=1)
    server.asked.clear()
    job = run(commands.retry(job.id, owner=OWNER))
    assert sorted(server.asked) == ["cut@example.org", "later@example.org"]
    assert (job.done, job.failed, job.unknown, job.total) == (2, 1, 1, 4)
    assert set(server.messages[0].keys()) and len(server.messages) == 2


def test_the_job_after_its_try_leaves_out_whom_the_try_wrote_to(server: MailServer) -> None:
    asked = params(to_all("ann", "bob", "cy"))
    tried = run(commands.submit("send_emails", asked, owner=OWNER, sample=2))
    job = run(commands.submit("send_emails", asked, owner=OWNER, parent=tried.id))
    assert (job.state, job.done, job.skipped) == ("succeeded", 1, 2)
    assert dict(server.seen) == {f"{name}@example.org": 1 for name in ("ann", "bob", "cy")}


def test_the_same_address_is_written_to_once(server: MailServer) -> None:
    job = sent("email,name\nann@example.org,Ann\n Ann@Example.ORG ,Anna\nbob@example.org,Bob\n")
    assert (job.state, job.done, job.skipped) == ("succeeded", 2, 1)
    assert [item.error for item in items(job) if item.state == "skipped"] == ["Same address as row 1."]
    assert len(server.messages) == 2


def test_one_bad_address_among_many_leaves_the_rest(server: MailServer) -> None:
    table = to_all(*(f"n{number}" for number in range(60))) + '"ann@example.org, evil@example.net",Two\n,Nobody\n'
    job = sent(table)
    assert (job.state, job.done, job.failed, job.skipped, job.total) == ("partial", 60, 1, 1, 62)
    (bad,) = [item for item in items(job) if item.state == "failed"]
    assert bad.error == "“ann@example.org, evil@example.net” is more than one address. Write one to a row."
    assert not server.to("evil")


def test_no_value_can_add_a_header(server: MailServer) -> None:
    rows = [
        {"email": "ann@example.org", "name": "Ann\r\nBcc: evil@example.net"},
        {"email": "bob@example.org\r\nBcc: evil@example.net", "name": "Bob"},
        {"email": "cy@example.org", "name": "Cy"},
        {"email": "dan@example.org", "name": "Dan\u202e"},
    ]
    source = upload("".join(json.dumps(row) + "\n" for row in rows).encode(), "people.jsonl")
    job = done("send_emails", **PARAMS | {"recipients": source, "name_column": "name", "address_column": "email"})
    assert (job.done, job.failed) == (2, 2)
    assert "The column “name” has a control character" in (by_key(job)["dan@example.org"].error or "")
    assert "line break" in (by_key(job)["row 2"].error or "")
    assert sorted(message["To"] for message in server.messages) == [
        '"Ann Bcc: evil@example.net" <ann@example.org>',
        "Cy <cy@example.org>",
    ]
    assert not any(message["Bcc"] for message in server.messages)


def test_too_many_errors_end_the_job_and_a_retry_goes_on(server: MailServer) -> None:
    job = sent(to_all(*(f"no-{n}" for n in range(10)), "ann"), error_limit=3, connections=1)
    assert (job.state, job.reason, job.failed, job.done) == ("partial", "error_limit", 3, 0)
    assert "Stopped after 3 messages" in (job.message or "")
    assert job.pending == 8


def test_who_asked_not_to_be_written_to_is_left_out(server: MailServer) -> None:
    assert suppressions.suppress_addresses("BOB@example.org\nbob@example.org\n", owner=OWNER) == 1
    job = sent()
    assert (job.state, job.done, job.skipped) == ("succeeded", 1, 1)
    assert by_key(job)["bob@example.org"].reason == "suppressed"
    suppressions.allow_address("bob@example.org", owner=OWNER)
    assert suppressions.list_suppressed(OWNER).rows == []
    with pytest.raises(InvalidParams, match="Line 2"):
        suppressions.suppress_addresses("ann@example.org\nnonsense", owner=OWNER)


# What is refused before anything is sent


def test_the_form_names_what_is_wrong(server: MailServer) -> None:
    assert wrong(text="Hello {nme}") == {"text": "There is no column “nme” in people.csv. Did you mean {name}?"}
    assert "has no closing one" in wrong(subject="a {")["subject"]
    assert "no column “5”" in wrong(text="price {5}")["text"]
    assert "no column" in wrong(html="{name:>1000000000}")["html"]
    assert "no column" in wrong(text="{user.__init__.__globals__}")["text"]
    assert "line break" in wrong(subject="Hi\r\nBcc: x@example.org")["subject"]
    assert "line break" in wrong(**{"from": "a@example.org\r\nBcc: x@example.org"})["from"]
    assert "more than one" in wrong(**{"from": "a@example.org, b@example.org"})["from"]
    assert "required" in errors("send_emails", recipients="sample:recipients.csv", subject="x", text="y")["from"]
    assert "as text or as HTML" in wrong(text=" ")["text"]
    assert "<script>" in wrong(html="<script>alert(1)</script>")["html"]
    assert "column holds the addresses" in wrong("a,b\n1,2\n", text="x", subject="x")["address_column"]
    assert "https://" in wrong(list_unsubscribe="javascript:alert(1)")["list_unsubscribe"]
    assert "or write addresses" in errors("send_emails", **PARAMS)["recipients"]
    assert server.connections == 0


def test_templates_are_text_and_never_code(server: MailServer) -> None:
    sent(text="{{{{ cycler.__init__.__globals__.os.popen('id') }}}} {{name}} %s ${{name}}")
    assert ["{{", "cycler.__init__.__globals__.os.popen('id')", "}}", "{name}"][1] in server.messages[0].get_content()


def test_attachments_have_a_limit(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enclosures, "MOST_BYTES", 10)
    assert "larger than" in wrong(attachments=[upload(b"x" * 11)])["attachments"]


def test_any_row_can_be_looked_at_first(environment: Callable[..., None]) -> None:
    asked = params(TABLE + "bad,Bad,\n", html="<i>{name}</i>")
    shown = estimates.preview("send_emails", asked, 2, owner=OWNER)
    assert shown and dict(shown["headers"])["Subject"] == "For Bob" and shown["html"] == "<i>Bob</i>"
    bad = estimates.preview("send_emails", asked, 3, owner=OWNER)
    assert bad and "not a mail address" in bad["trouble"]
    with pytest.raises(BadInput, match="no row 4"):
        estimates.preview("send_emails", asked, 4, owner=OWNER)
    assert outbox.outbox_count(OWNER) == 0


def test_params_keep_their_names_in_json(server: MailServer) -> None:
    job = sent()
    assert job.params["from"] == PARAMS["from"] and "from_" not in job.params


# The server as a whole


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_wrong_password_ends_the_job_before_the_first_message(environment: Callable[..., None]) -> None:
    with MailServer(user="nora", password="right") as server:
        environment(SMTP_URL=server.url.replace("right", "wrong"))
        job = sent()
        assert (job.state, job.reason, job.finished) == ("failed", "mail_sign_in", 0)
        assert "refuses the name and password" in (job.message or "")
        environment(SMTP_URL=server.url)
        assert sent().state == "succeeded"


@pytest.mark.parametrize("tls", ["starttls", "wrapped"])
def test_messages_are_encrypted_and_the_server_must_prove_who_it_is(
    tls: str, environment: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MailServer(tls=tls, certificate=tmp_path / "mail.pem") as server:
        environment(SMTP_URL=server.url)
        job = sent()
        assert (job.state, job.reason, job.finished) == ("failed", "mail_tls", 0)
        assert "cannot be used safely" in (job.message or "") and not server.seen
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "mail.pem"))
        assert sent().state == "succeeded"
        assert server.encrypted == 2


def test_a_server_that_must_encrypt_and_does_not_gets_nothing(environment: Callable[..., None]) -> None:
    with MailServer() as server:
        environment(SMTP_URL=server.url + "&starttls=always")
        job = sent()
    assert (job.state, job.reason) == ("failed", "mail_tls") and not server.seen


@pytest.mark.parametrize(
    "url", ["smtp://", "smtp://host:port", "smtp://host?starttls=perhaps", "smtp://host?timeout=x"]
)
def test_a_wrong_setting_is_said_on_the_form(url: str, environment: Callable[..., None]) -> None:
    environment(SMTP_URL=url)
    assert "SMTP_URL" in wrong()[""]


def test_a_server_that_is_away_leaves_the_job_waiting(environment: Callable[..., None]) -> None:
    with MailServer() as server:
        url = server.url
    environment(SMTP_URL=url)
    job = sent()
    assert (job.state, job.reason, job.finished) == ("queued", "mail_server_away", 0)


def test_without_a_mail_server_messages_go_to_the_outbox(environment: Callable[..., None]) -> None:
    notes = estimates.estimate("send_emails", send_emails.EXAMPLE, owner=OWNER)
    assert notes and "to the outbox and are not sent" in notes.notes[0]
    job = done("send_emails", **send_emails.EXAMPLE)
    assert (job.state, job.done, job.result["went_to"]) == ("succeeded", 12, "the outbox, and to nobody")
    kept = outbox.outbox_messages(OWNER).rows
    assert len(kept) == 12 and {row.job_id for row in kept} == {job.id}
    assert "outbox" in job_log.read_log(job).rows[0].text


def test_legwork_itself_can_write_to_one_person(server: MailServer) -> None:
    reply = smtp.send("ann@example.org", "Your job has ended", "It succeeded.\n", owner=OWNER)
    assert reply.code == 250
    assert server.messages[0]["Subject"] == "Your job has ended"


# Killed in the middle


@pytest.fixture
def slow_server(environment: Callable[..., None]) -> Iterator[MailServer]:
    with MailServer(latency=0.05) as started:
        environment(SMTP_URL=started.url.replace("timeout=2", "timeout=20"))
        yield started


def many(count: int, **more: Any) -> dict[str, Any]:
    return params(to_all(*(f"n{number}" for number in range(count))), **more)


@pytest.mark.slow
def test_nobody_is_mailed_twice_whatever_is_killed(slow_server: MailServer) -> None:
    with running("--processes", "2", "--queues", "mail") as workers:
        until(queries.served_queues)
        job = commands.submit("send_emails", many(120), owner=OWNER)
        for least in (15, 40):
            begun(job, least)
            kill(*workers.horses)
        begun(job, 70)
        kill(*workers.workers)
        job = ended(job)
    assert set(slow_server.seen.values()) == {1}
    assert adds_up(job) and job.total == 120
    assert job.done + job.unknown == 120 and job.failed == 0
    assert job.unknown <= 3 * 2 * 4, "three kills, of two workers that share the job, with four connections each"
    assert (job.state, job.reason) == (("partial", "interrupted") if job.unknown else ("succeeded", None))
    sent_to = {str(message["To"]) for message in slow_server.messages}
    assert sent_to >= {item.key for item in items(job) if item.state == "done"}


@pytest.mark.slow
def test_a_stop_leaves_nothing_in_doubt_that_was_answered(slow_server: MailServer) -> None:
    with running("--processes", "1", "--queues", "mail"):
        until(queries.served_queues)
        job = commands.submit("send_emails", many(300), owner=OWNER)
        begun(job, 10)
        commands.cancel(job.id, owner=OWNER)
        job = ended(job)
    assert (job.state, adds_up(job)) == ("cancelled", True)
    assert 10 <= len(slow_server.messages) < 300
    assert set(slow_server.seen.values()) == {1}
    assert len(slow_server.messages) - job.done <= job.unknown
