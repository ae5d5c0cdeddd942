"""Signing in and what ends it, roles, tokens, and what is written down of all that."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from jobs.engine import accounts, queue
from jobs.engine.accounts import passwords
from jobs.engine.chat import conversations, questions
from jobs.engine.chat.conversations import ConversationSettings
from jobs.engine.db import postgres
from jobs.engine.errors import Conflict, InvalidParams
from jobs.engine.queue import SchedulePlan, commands
from tests.web.signed_in import PASSWORD, Person, hidden, person, sign_in

NAPS = "/api/v1/kinds/nap/jobs"


@pytest.fixture(scope="module")
def admin(app: Flask) -> Person:
    return person(app, "root", "admin")


@pytest.fixture
def somebody(app: Flask, admin: Person) -> Callable[..., Person]:
    return lambda role="member": person(app, f"{role}{time.time_ns()}", role)


# The first account.


def test_without_accounts_nobody_signs_in_and_the_first_one_takes_over(app: Flask, client: FlaskClient) -> None:
    assert "single user" in client.get("/").text
    assert client.get("/login").location == "/"
    job = client.post(NAPS, json={}).get_json()["id"]
    page = client.get("/people")
    assert "Create the first account" in page.text
    weak = client.post("/people", data={"csrf_token": hidden(page.text), "name": "root", "password": "short"})
    assert weak.status_code == 422 and "12 to 200" in weak.text
    assert client.get("/jobs").status_code == 200  # still open
    # Made and removed again: the tests below begin with their own.
    made = client.post("/people", data={"csrf_token": hidden(page.text), "name": "first", "password": PASSWORD})
    assert made.location == "/people"
    assert client.get(f"/jobs/{job}").status_code == 200  # signed in, and what was there is theirs
    assert app.test_client().get(f"/jobs/{job}").location == f"/login?next=%2Fjobs%2F{job}"
    assert app.test_client().post(NAPS, json={}).status_code == 401
    with postgres.session() as session:
        session.execute(text("truncate accounts cascade"))


def test_the_first_account_is_an_admins(app: Flask) -> None:
    with pytest.raises(InvalidParams, match="must be an admin"):
        accounts.add("first", "member", PASSWORD)


# In and out.


def test_signing_in_leads_back_and_nowhere_else(app: Flask, admin: Person) -> None:
    for target, wanted in (("/jobs?state=failed", "/jobs?state=failed"), ("//evil.example", "/"), ("https:evil", "/")):
        client = app.test_client()
        assert sign_in(client, "root", next=target).location == wanted
        assert client.get("/jobs").status_code == 200
    assert "root" in client.get("/").text
    assert client.get("/login?next=/chat").location == "/chat"


def test_a_wrong_password_and_an_unknown_name_are_told_the_same(app: Flask, admin: Person) -> None:
    answers = [sign_in(app.test_client(), name, "not the password") for name in ("root", "nobody-at-all")]
    pages = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert "The name or the password is not right." in pages[0]
    assert pages[0] == pages[1]


def test_an_unknown_name_costs_the_same_work(real_passwords: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bool] = []
    real = real_passwords["_hasher"]()

    class Counting:
        hash = staticmethod(real.hash)

        def verify(self, kept: str, password: str) -> bool:
            looked.append(kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$"))
            return bool(real.verify(kept, password))

    for name, value in (real_passwords | {"_hasher": Counting}).items():
        monkeypatch.setattr(passwords, name, value)
    for kept in (passwords.hashed(PASSWORD), None):
        assert not passwords.matches(kept, "not the password")
    assert looked == [True, True]


def test_trying_too_often_is_slowed_for_any_name(app: Flask, somebody: Callable[..., Person]) -> None:
    for name in (somebody().account.name, "there-is-no-such-name"):
        client = app.test_client()
        statuses = [sign_in(client, name, "wrong wrong wrong").status_code for _ in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        slowed = sign_in(client, name, PASSWORD)  # the right one too: else the counter could be told
        assert slowed.status_code == 429 and "Wait 15 minutes" in slowed.text
    _forget_tries()


def test_right_passwords_are_not_counted(app: Flask, somebody: Callable[..., Person]) -> None:
    one, other = somebody(), somebody()
    assert [sign_in(app.test_client(), one.account.name).status_code for _ in range(65)] == [303] * 65
    wrong = [sign_in(app.test_client(), f"nobody{number}", "wrong wrong wrong").status_code for number in range(61)]
    assert wrong == [401] * 60 + [429]
    assert sign_in(app.test_client(), other.account.name).status_code == 429  # 60 wrong ones from here are enough


def test_a_network_counts_as_one_address(app: Flask, admin: Person) -> None:
    def tried(address: str, number: int) -> int:
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = address
        return int(sign_in(client, f"nobody{number}", "wrong wrong wrong").status_code)

    statuses = [tried(f"2001:db8:1:1:{number:x}::{number:x}", number) for number in range(62)]
    assert statuses == [401] * 60 + [429] * 2
    assert tried("2001:db8:1:2::1", 0) == 401
    assert tried("::ffff:198.51.100.1", 0) == tried("198.51.100.1", 1) == 401


def test_a_stranger_locks_nobody_else_out_behind_a_router_that_was_not_named(app: Flask, admin: Person) -> None:
    def tried(client_address: str, name: str, password: str) -> int:
        client = app.test_client()
        client.environ_base |= {"REMOTE_ADDR": "10.1.2.3", "HTTP_X_FORWARDED_FOR": f"192.0.2.1, {client_address}"}
        return int(sign_in(client, name, password).status_code)

    statuses = [tried("198.51.100.66", f"nobody{number}", "wrong wrong wrong") for number in range(61)]
    assert statuses == [401] * 60 + [429]
    assert tried("203.0.113.9", admin.account.name, PASSWORD) == 303
    _forget_tries()


def test_guesses_at_the_old_password_are_limited_as_at_sign_in(somebody: Callable[..., Person]) -> None:
    one, new = somebody(), "another four plain words"
    guesses = [one.post("/account/password", old=f"guess {n}", new=new, again=new).status_code for n in range(12)]
    assert guesses == [422] * 10 + [429] * 2
    assert one.post("/account/password", old=PASSWORD, new=new, again=new).status_code == 429
    _forget_tries()
    assert one.post("/account/password", old=PASSWORD, new=new, again=new).status_code == 200


def test_nobody_fills_the_audit_log(app: Flask, admin: Person, somebody: Callable[..., Person]) -> None:
    def entries() -> int:
        with postgres.session() as session:
            return int(session.execute(text("select count(*) from audit_log")).scalar_one())

    one = somebody()
    before = entries()
    for number in range(80):
        sign_in(app.test_client(), f"nobody{number}", "wrong wrong wrong")
    assert entries() - before == 2  # one for wrong names, one for too many tries
    _forget_tries()
    for _ in range(80):
        sign_in(app.test_client(), one.account.name, "wrong wrong wrong")
    assert entries() - before == 4  # an account that is tried is named


def test_a_form_from_elsewhere_signs_nobody_in(app: Flask, admin: Person) -> None:
    client = app.test_client()
    assert client.post("/login", data={"name": "root", "password": PASSWORD}).status_code == 400
    assert client.get("/jobs").status_code == 303


def test_the_session_begins_anew(app: Flask, admin: Person) -> None:
    client = app.test_client()
    before = hidden(client.get("/login").text)
    sign_in(client, "root")
    assert hidden(client.get("/jobs").text) != before
    assert client.post("/logout", data={"csrf_token": before}).status_code == 400


def test_signing_out_ends_the_sign_in_not_only_the_cookie(app: Flask, somebody: Callable[..., Person]) -> None:
    one = somebody()
    cookie = one.client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    one.post("/logout")
    thief = app.test_client()
    thief.set_cookie(cookie.key, cookie.value)
    assert thief.get("/jobs").status_code == 303


def test_a_page_that_polls_is_sent_to_the_sign_in_page(client: FlaskClient, admin: Person) -> None:
    answer = client.get("/jobs", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login")


# What ends a sign-in.


def test_another_password_ends_all_other_sign_ins(app: Flask, somebody: Callable[..., Person]) -> None:
    one, other = somebody(), app.test_client()
    sign_in(other, one.account.name)
    header = one.token()
    new = "another four plain words"
    for given in ({"old": "wrong", "new": new, "again": new}, {"old": PASSWORD, "new": new, "again": "x"}):
        assert one.post("/account/password", **given).status_code == 422
    assert other.get("/jobs").status_code == 200
    assert one.post("/account/password", old=PASSWORD, new=new, again=new).status_code == 200
    assert one.client.get("/jobs").status_code == 200
    assert other.get("/jobs").status_code == 303
    assert other.get("/api/v1/jobs").status_code == 401
    assert app.test_client().get("/api/v1/jobs", headers=header).status_code == 200  # a token is a key of its own
    assert sign_in(other, one.account.name, new).status_code == 303


def test_a_password_that_an_admin_sets_ends_sign_ins_and_tokens(
    app: Flask, admin: Person, somebody: Callable[..., Person]
) -> None:
    one, client = somebody(), app.test_client()
    header = one.token()
    assert admin.post(f"/people/{one.account.id}/password", password="short").status_code == 422
    assert client.get("/api/v1/jobs", headers=header).status_code == 200
    assert admin.post(f"/people/{one.account.id}/password", password="another four plain words").status_code == 303
    assert client.get("/api/v1/jobs", headers=header).status_code == 401
    assert client.post(NAPS, json={}, headers=header).status_code == 401
    assert one.client.get("/jobs").status_code == 303
    entries = admin.client.get(f"/api/v1/audit?action=token_revoke&q={one.account.name}").get_json()["entries"]
    assert [(entry["who"], entry["target"]) for entry in entries] == [("root", one.account.name)]


def test_another_password_ends_tokens_too_if_that_is_asked(app: Flask, somebody: Callable[..., Person]) -> None:
    one, stranger = somebody(), somebody()
    headers, theirs = [one.token(), one.token("read")], stranger.token()
    new = "another four plain words"
    assert 'name="tokens"' in one.client.get("/account").text
    wrong = one.post("/account/password", old="wrong", new=new, again=new, tokens="1")
    assert wrong.status_code == 422 and len(accounts.list_tokens(one.account)) == 2
    said = one.post("/account/password", old=PASSWORD, new=new, again=new, tokens="1").text
    assert "your tokens were revoked" in said
    client = app.test_client()
    assert [client.get("/api/v1/jobs", headers=header).status_code for header in (*headers, theirs)] == [401, 401, 200]


def test_suspending_ends_sign_ins_and_tokens_until_it_is_taken_back(
    app: Flask, admin: Person, somebody: Callable[..., Person]
) -> None:
    one = somebody()
    header = one.token()
    admin.post(f"/people/{one.account.id}/suspend")
    assert one.client.get("/jobs").status_code == 303
    assert app.test_client().get("/api/v1/jobs", headers=header).status_code == 401
    refused = sign_in(app.test_client(), one.account.name)
    assert refused.status_code == 401 and "The name or the password is not right." in refused.text
    admin.post(f"/people/{one.account.id}/resume")
    assert one.client.get("/jobs").status_code == 303  # the old sign-in does not come back
    assert app.test_client().get("/api/v1/jobs", headers=header).status_code == 200
    assert sign_in(app.test_client(), one.account.name).status_code == 303


def test_one_can_end_ones_own_sign_ins_and_nobody_elses(app: Flask, somebody: Callable[..., Person]) -> None:
    one, stranger, other = somebody(), somebody(), app.test_client()
    sign_in(other, one.account.name)
    ids = [each.id for each in accounts.list_sessions(one.account)]
    assert stranger.post(f"/account/sign-ins/{ids[0]}/end").status_code == 404
    assert other.get("/jobs").status_code == 200
    assert one.post(f"/account/sign-ins/{ids[0]}/end").status_code == 303
    assert other.get("/jobs").status_code == 303


def test_a_sign_in_that_was_idle_for_long_is_over(somebody: Callable[..., Person]) -> None:
    one = somebody()
    with postgres.session() as session:
        old = text("update sign_ins set seen_at = now() - interval '15 days' where account_id = :id")
        session.execute(old, {"id": one.account.id})
    assert one.client.get("/jobs").status_code == 303


def test_an_open_stream_ends_with_a_word(
    app: Flask, admin: Person, somebody: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = somebody()
    talk = conversations.start_conversation(ConversationSettings(title="long"), owner=one.owner)
    with questions.pending(questions.ASK, talk.id, one.owner, "hello") as asked:  # nobody writes it, and it stays open
        answer = asked.answer
    with postgres.session() as session:
        session.execute(
            text("update messages set beat_at = now() + interval '1 hour' where id = :id"), {"id": answer.id}
        )
    stream = one.client.get(f"/chat/answers/{answer.id}/stream", buffered=False)
    events = stream.response
    assert "retry" in str(next(iter(events)))
    accounts.suspend(one.account.id, by=admin.owner)
    rest = "".join(part.decode() if isinstance(part, bytes) else part for part in events)
    stream.close()
    assert "event: end" in rest and "signed_out" in rest and "You were signed out" in rest
    assert one.client.get(f"/chat/answers/{answer.id}/stream").status_code in (303, 401)


# Roles.


def test_a_viewer_starts_and_changes_nothing(somebody: Callable[..., Person]) -> None:
    vera = somebody("viewer")
    refused = vera.post("/kinds/nap", naps="1")
    assert refused.status_code == 403 and "Your account can only view" in refused.text
    header = {"X-CSRFToken": vera.csrf()}
    assert vera.client.post(NAPS, json={}, headers=header).status_code == 403
    assert vera.client.post("/api/v1/files", headers=header).status_code == 403
    assert vera.client.get("/kinds/nap").status_code == 200
    assert vera.client.get("/account").status_code == 200


def test_a_viewer_is_told_so_in_place_of_a_button(somebody: Callable[..., Person]) -> None:
    form = "/kinds/generate_texts?example=1"
    assert 'class="button primary">Start' in somebody("member").client.get(form).text
    page = somebody("viewer").client.get(form).text
    assert "Your role is viewer: you cannot start jobs." in page and 'class="button primary"' not in page


def test_another_role_holds_from_the_next_request_on(admin: Person, somebody: Callable[..., Person]) -> None:
    one = somebody("operator")
    assert one.client.get("/audit").status_code == 200
    admin.post(f"/people/{one.account.id}/role", role="viewer")
    assert one.client.get("/audit").status_code == 404
    assert one.post("/kinds/nap", naps="1").status_code == 403
    assert admin.post(f"/people/{one.account.id}/role", role="emperor").status_code == 422


def test_a_viewers_schedules_are_paused_and_say_why(admin: Person, somebody: Callable[..., Person]) -> None:
    one = somebody()
    schedule = queue.create_schedule(SchedulePlan("nap", {}, "* * * * *", "UTC"), owner=one.owner)
    admin.post(f"/people/{one.account.id}/role", role="viewer")
    commands.run_due_schedules()
    page = one.client.get(f"/schedules/{schedule.id}").text
    assert "Paused" in page and "Its account may only view, so the schedule is paused." in page
    assert "The next run tries again" not in page
    assert "Its account may only view" in one.client.get("/schedules").text


def test_the_last_admin_stays(admin: Person) -> None:
    for change in (lambda: accounts.suspend(admin.account.id, by=admin.owner),
                   lambda: accounts.change_role(admin.account.id, "viewer", by=admin.owner)):  # fmt: skip
        with pytest.raises(Conflict, match="only admin"):
            change()
    assert admin.post(f"/people/{admin.account.id}/suspend").status_code == 409


@pytest.mark.parametrize("name", ["", "a b", "local", "../x", "é", "x" * 81, "-x"])
def test_a_name_that_will_not_do_is_refused(admin: Person, name: str) -> None:
    answer = admin.post("/people", name=name, password=PASSWORD, role="member")
    assert answer.status_code == 422 and 'id="name-error"' in answer.text


def test_a_name_is_taken_once(admin: Person) -> None:
    assert "already" in admin.post("/people", name="ROOT", password=PASSWORD, role="member").text


# Tokens.


def test_a_token_is_shown_once_and_kept_as_a_digest(app: Flask, somebody: Callable[..., Person]) -> None:
    one = somebody()
    made = one.post("/account/tokens", name="n8n", scope="write", days="30")
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    secret = re.findall(r"lw_[\w-]{40,}", made.text)[0]
    assert secret not in one.client.get("/account").text
    with postgres.session() as session:
        row = session.execute(text("select * from tokens where account_id = :id"), {"id": one.account.id}).one()
    assert secret not in str(row) and row.used_at is None
    answer = app.test_client().post(NAPS, json={}, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 202
    assert answer.get_json()["id"] in one.client.get("/jobs").text
    assert accounts.list_tokens(one.account)[0].used_at is not None


@pytest.mark.parametrize(
    ("scope", "reads", "writes", "operates"),
    [("read", 200, 403, 403), ("write", 200, 202, 403), ("operate", 200, 202, 200)],
)
def test_a_token_may_what_its_scope_says(
    app: Flask, somebody: Callable[..., Person], scope: str, reads: int, writes: int, operates: int
) -> None:
    header = somebody("operator").token(scope)
    client = app.test_client()
    assert client.get("/api/v1/jobs", headers=header).status_code == reads
    assert client.post(NAPS, json={}, headers=header).status_code == writes
    assert client.get("/api/v1/audit", headers=header).status_code == operates
    assert client.get("/metrics", headers=header).status_code == operates
    assert client.get("/account", headers=header).status_code == 403
    assert client.get("/people", headers=header).status_code in (403, 404)


def test_a_token_is_never_more_than_its_account(app: Flask, somebody: Callable[..., Person]) -> None:
    client = app.test_client()
    assert client.get("/api/v1/audit", headers=somebody("member").token("operate")).status_code == 404
    assert client.post(NAPS, json={}, headers=somebody("viewer").token("operate")).status_code == 403


def test_a_token_ends(app: Flask, somebody: Callable[..., Person]) -> None:
    one, stranger, client = somebody(), somebody(), app.test_client()
    header = one.token()
    token = accounts.list_tokens(one.account)[0]
    assert stranger.post(f"/account/tokens/{token.id}/revoke").status_code == 404
    assert client.get("/api/v1/jobs", headers=header).status_code == 200
    with postgres.session() as session:
        session.execute(text("update tokens set expires_at = now() where id = :id"), {"id": token.id})
    assert client.get("/api/v1/jobs", headers=header).status_code == 401
    header = one.token()
    one.post(f"/account/tokens/{accounts.list_tokens(one.account)[0].id}/revoke")
    assert client.get("/api/v1/jobs", headers=header).status_code == 401


def test_a_token_that_is_none_is_not_made_up_for_by_a_cookie(somebody: Callable[..., Person]) -> None:
    one = somebody()
    for header in ("Bearer lw_none", "Bearer sk-something", "bearer ", "Bearer lw_\u00e9"):
        answer = one.client.get("/api/v1/jobs", headers={"Authorization": header})
        assert answer.status_code == 401 and "Bearer" in answer.headers["WWW-Authenticate"]


def test_openai_clients_are_told_in_their_words(app: Flask, somebody: Callable[..., Person]) -> None:
    client, body = app.test_client(), {"messages": [{"role": "user", "content": "hello"}]}
    refused = client.post("/v1/chat/completions", json=body)
    assert refused.status_code == 401 and refused.get_json()["error"]["code"] == "invalid_api_key"
    assert client.post("/v1/chat/completions", json=body, headers=somebody().token("read")).status_code == 403
    assert client.get("/v1/models", headers=somebody().token("read")).status_code == 200


def test_a_cookie_alone_changes_nothing_by_the_api(app: Flask, somebody: Callable[..., Person]) -> None:
    one = somebody()
    assert one.client.post(NAPS, json={}).status_code == 403
    for header in ({"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"X-CSRFToken": one.csrf()}):
        assert one.client.post(NAPS, json={}, headers=header).status_code == 202
    for header in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"X-CSRFToken": "made up"}):
        assert one.client.post(NAPS, json={}, headers=header).status_code == 403
    elsewhere = one.token() | {"Origin": "http://evil.example"}  # no browser adds a token by itself
    assert app.test_client().post(NAPS, json={}, headers=elsewhere).status_code == 202


# The audit log.


def test_what_is_done_is_written_down(app: Flask, admin: Person, somebody: Callable[..., Person]) -> None:
    one = somebody()
    name = one.account.name
    sign_in(app.test_client(), name, "wrong wrong wrong")
    one.post("/account/tokens", name="a program", scope="read", days="7")
    admin.post(f"/people/{one.account.id}/role", role="operator")
    job = one.client.post(NAPS, json={}, headers={"X-CSRFToken": one.csrf()}).get_json()["id"]
    one.post(f"/jobs/{job}/cancel")
    one.post(f"/jobs/{job}/delete")
    entries = admin.client.get(f"/api/v1/audit?limit=100&q={name}").get_json()["entries"]
    told = {(entry["who"], entry["action"]) for entry in entries}
    acts = ("sign_in", "sign_in_refused", "token_issue", "job_stop", "job_delete")
    assert told >= {("the command line", "account_add"), ("root", "account_role"), *((name, act) for act in acts)}
    change = next(entry for entry in entries if entry["action"] == "account_role")
    assert (change["target"], change["detail"], change["address"]) == (
        name,
        {"before": "member", "now": "operator"},
        "127.0.0.1",
    )
    stopped = next(entry for entry in entries if entry["action"] == "job_stop")
    assert stopped["target"] == job
    page = admin.client.get(f"/audit?q={name}").text
    assert "stopped the job" in page and "failed to sign in" in page


def test_the_log_is_read_a_page_at_a_time(admin: Person) -> None:
    seen: list[str] = []
    after = ""
    while after is not None:
        part = admin.client.get(f"/api/v1/audit?limit=7{f'&after={after}' if after else ''}").get_json()
        seen += [entry["id"] for entry in part["entries"]]
        after = part["next"]
    assert len(seen) > 14 and len(set(seen)) == len(seen) and seen == sorted(seen, reverse=True)
    assert admin.client.get("/audit?after=nonsense").status_code == 404
    assert admin.client.get("/api/v1/audit?action=nonsense").status_code == 422


# Behind TLS.


def test_behind_a_trusted_proxy_the_cookie_is_for_tls_only(
    app: Flask, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webapp.http.proxies import Forwarded

    seen: list[str] = []

    def inner(environ: dict[str, Any], start: Any) -> Any:
        seen.append(f"{environ['wsgi.url_scheme']} {environ['REMOTE_ADDR']}")
        return []

    trusting = Forwarded(inner, ["10.0.0.0/8", "::1"])

    def ask(peer: str, forwarded: str = "", proto: str = "https") -> str:
        trusting(
            {
                "REMOTE_ADDR": peer,
                "wsgi.url_scheme": "http",
                "HTTP_X_FORWARDED_FOR": forwarded,
                "HTTP_X_FORWARDED_PROTO": proto,
            },
            None,
        )
        return seen[-1]

    assert ask("203.0.113.9", "1.2.3.4") == "http 203.0.113.9"  # anybody can say so
    assert ask("10.0.0.1", "198.51.100.7") == "https 198.51.100.7"
    assert (
        ask("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.0.0.2") == "https 198.51.100.7"
    )  # what the client wrote is not read
    assert ask("10.0.0.1", "nonsense", "gopher") == "http 10.0.0.1"
    assert ask("::1", "198.51.100.7") == "https 198.51.100.7"
    secure = app.test_client().get("/login", base_url="https://localhost")
    plain = app.test_client().get("/login")
    assert "Secure" in secure.headers["Set-Cookie"] and secure.headers["Strict-Transport-Security"]
    assert "Secure" not in plain.headers["Set-Cookie"] and "Strict-Transport-Security" not in plain.headers


def _forget_tries() -> None:
    with postgres.session() as session:
        session.execute(text("delete from sign_in_tries"))


@pytest.fixture(autouse=True)
def _fresh_tries(app: Flask) -> None:
    _forget_tries()
