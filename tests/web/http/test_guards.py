"""The doors: Host, Origin, CSRF, sizes, headers, redirects, and what an error tells."""

from __future__ import annotations

import io
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape
from werkzeug.test import TestResponse

from jobs.engine.errors import Conflict, DatabaseUnavailable, KindUnavailable, SettingsError, TooLarge, Transient
from jobs.engine.secret_key import made_secret_key
from jobs.engine.settings import read
from webapp.app import create_app
from webapp.http import guards

NAPS = "/api/v1/kinds/nap/jobs"
HEAVY = (
    "langchain",
    "openai",
    "duckdb",
    "numpy",
    "openpyxl",
    "xlsxwriter",
    "boto3",
    "botocore",
    "aiohttp",
    "xllamacpp",
    "pandas",
    "pyarrow",
)


# Host.


@pytest.mark.parametrize("host", ["localhost", "localhost:8123", "127.0.0.1:1", "[::1]:8000", "LOCALHOST"])
def test_this_machine_is_known_by_its_names(client: FlaskClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "localhost:99999",
        "localhost/x",
        "é",
    ],
)
def test_another_host_name_is_refused(client: FlaskClient, host: str) -> None:
    for path in ("/", "/jobs", "/api/v1/kinds", "/nothing", "/static/legwork.css"):
        response = client.get(path, headers={"Host": host})
        assert response.status_code == 400
        assert "host name" in response.get_data(as_text=True)


def test_an_operator_can_add_a_host_name(client: FlaskClient) -> None:
    app = create_app({"OWN_HOSTS": {"legwork.example"}})
    assert app.test_client().get("/healthz", headers={"Host": "legwork.example"}).status_code == 200


# Origin.


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_the_api_takes_changes_from_programs_and_its_own_pages(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post(NAPS, json={}, headers=headers).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:81"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_the_api_takes_no_change_from_another_site(client: FlaskClient, headers: dict[str, str]) -> None:
    refused = client.post(NAPS, json={}, headers=headers)
    assert refused.status_code == 403
    assert refused.content_type == "application/problem+json"
    assert client.get("/api/v1/kinds").status_code == 200


def test_behind_a_proxy_that_ends_tls_its_own_pages_say_https(app: Flask) -> None:
    client = create_app({"OWN_HOSTS": {"legwork.example"}}).test_client()
    headers = {"Host": "legwork.example", "Origin": "https://legwork.example"}
    assert client.post("/api/v1/jobs/x/cancel", headers=headers).status_code == 404


def test_forwarded_headers_are_not_believed(client: FlaskClient) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-HTTP-Method-Override": "DELETE"}
    assert client.post(NAPS, json={}, headers=headers | {"Origin": "https://evil.example"}).status_code == 403
    assert client.get("/jobs", headers=headers).status_code == 200


# Forms.


@pytest.mark.parametrize("token", [None, "", "made up"])
def test_a_form_without_its_token_changes_nothing(client: FlaskClient, token: str | None) -> None:
    before = client.get("/api/v1/jobs?limit=200").get_json()["jobs"]
    response = client.post("/kinds/nap", data={"naps": "1"} | ({} if token is None else {"csrf_token": token}))
    assert response.status_code == 400
    assert "reload the page" in response.get_data(as_text=True)
    assert client.get("/api/v1/jobs?limit=200").get_json()["jobs"] == before


def test_a_form_of_too_many_fields_is_refused(client: FlaskClient) -> None:
    body = "&".join(f"f{number}=x" for number in range(20_000))
    response = client.post("/kinds/nap", data=body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 413


def test_a_form_of_too_many_parts_is_refused(client: FlaskClient) -> None:
    data = {f"f{number}": "x" for number in range(1_001)} | {"file": (io.BytesIO(b"x"), "x")}
    assert client.post("/kinds/nap", data=data).status_code == 413


@pytest.mark.parametrize("multipart", [True, False])
def test_a_text_over_the_limit_is_refused(client: FlaskClient, multipart: bool) -> None:
    text = "x" * 2_100_000
    sent = (
        _multipart(client, "/kinds/nap", "witness", text)
        if multipart
        else client.post("/kinds/nap", data={"witness": text})
    )
    assert sent.status_code == 413


def test_a_long_text_is_the_forms_own_business(client: FlaskClient) -> None:
    response = _multipart(client, "/kinds/nap", "witness", "x" * 1_900_000)
    assert response.status_code == 400  # the token, not the size


def test_an_upload_may_be_far_larger_than_a_form(client: FlaskClient) -> None:
    response = _multipart(client, "/api/v1/files", 'file"; filename="x.bin', "x" * 6_000_000)
    assert response.get_json()["bytes"] == 6_000_000


def _multipart(client: FlaskClient, path: str, name: str, text: str) -> TestResponse:
    """Written by hand: the test client would put large fields into temporary files of its own, and leave them open."""
    body = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n--b--\r\n'
    return client.post(path, data=body.encode(), content_type="multipart/form-data; boundary=b")


@pytest.mark.parametrize("host", ["10.0.0.7:5000", "internal.example", ""])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_by_address_are_answered(client: FlaskClient, path: str, host: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 200


def test_a_platform_whose_router_knows_the_names_passes_any(app: Flask) -> None:
    client = create_app({"OWN_HOSTS": {"*"}}).test_client()
    assert client.get("/login", headers={"Host": "any.example"}).status_code in (200, 303)
    assert client.get("/login", headers={"Host": "any.example:99999"}).status_code == 400


def test_all_webs_of_a_site_have_one_cookie(tmp_path: Path) -> None:
    def cookie(environ: dict[str, str], scheme: str = "http") -> str:
        app = Flask("x")
        guards.guard(app, read({"SECRET_KEY": "x" * 32, "DATA_DIR": str(tmp_path), **environ}))
        with app.test_request_context(base_url=f"{scheme}://site.example"):
            return app.session_interface.get_cookie_name(app)

    router = {"HOST": "0.0.0.0"}
    assert cookie({**router, "PORT": "5000"}) == cookie({**router, "PORT": "5001"}) == "legwork"
    assert cookie({**router, "PORT": "5000"}, "https") == "__Host-legwork"
    behind = {"TRUSTED_HOSTS": "site.example"}  # a router on the same machine
    assert cookie({**behind, "PORT": "5000"}) == cookie({**behind, "PORT": "5001"})
    assert cookie({"PORT": "5000"}) != cookie({"PORT": "5001"})  # two sites on a person's own machine


def test_a_session_over_tls_is_kept_by_its_name(client: FlaskClient) -> None:
    kept = client.get("/kinds/nap", base_url="https://localhost").headers.getlist("Set-Cookie")
    (cookie,) = [one for one in kept if one.startswith("__Host-")]
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


# Answers.


@pytest.mark.parametrize("path", ["/", "/jobs", "/api/v1/kinds", "/healthz", "/nothing", "/api/v1/nothing"])
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Permissions-Policy"]


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client: FlaskClient) -> None:
    cookies = [
        cookie for cookie in client.get("/kinds/nap").headers.getlist("Set-Cookie") if cookie.startswith("legwork")
    ]
    assert cookies
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies)


@pytest.mark.parametrize(
    "target",
    [
        "//evil",
        "/\\evil",
        "https:evil",
        "javascript:alert(1)",
        "http://evil",
        "",
        None,
        "evil",
        "/a\r\nb",
        "/a\x00",
        "/ a",
        "\t//evil",
    ],
)
def test_a_next_target_elsewhere_becomes_a_page_of_ours(target: str | None) -> None:
    assert guards.local_path(target, "/jobs") == "/jobs"


@pytest.mark.parametrize("target", ["/", "/jobs?state=failed", "/kinds/nap#x"])
def test_a_next_target_here_is_kept(target: str) -> None:
    assert guards.local_path(target) == target


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fetc/passwd",
        "/static/%252e%252e/x",
        "/static/..;/x",
        "/" + "x" * 10_000,
        "/%00",
        "/%ff",
        "/jobs/%00",
        "/jobs?q=%ff%00",
    ],
)
def test_a_path_that_leads_nowhere_is_no_fault_of_ours(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code in (200, 400, 404, 414, 422)


def test_an_unknown_method_is_refused(client: FlaskClient) -> None:
    assert client.open("/jobs", method="BREW").status_code == 405


ERRORS = [
    (KindUnavailable("No model."), 409, None),
    (Conflict("It runs."), 409, None),
    (TooLarge("Too large."), 413, None),
    (DatabaseUnavailable("Away."), 503, "5"),
    (Transient("Busy."), 503, "5"),
]


@pytest.mark.parametrize(("error", "status", "retry"), ERRORS)
def test_each_reason_has_its_status(app: Flask, error: Exception, status: int, retry: str | None) -> None:
    response = _app_that_raises(error).test_client().get("/raise", headers={"Accept": "application/json"})
    assert response.status_code == status
    assert json.loads(response.get_data())["detail"] == str(error)
    assert response.headers.get("Retry-After") == retry


def test_a_fault_shows_a_number_and_the_log_has_the_rest(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    page = _app_that_raises(ZeroDivisionError("secret words")).test_client().get("/raise")
    text = page.get_data(as_text=True)
    assert page.status_code == 500
    assert "secret words" not in text
    assert "Traceback" not in text
    number = next(record.args[0] for record in caplog.records if record.msg.startswith("fault"))  # type: ignore[index]
    assert str(number) in text
    assert "secret words" in caplog.text


def test_a_page_says_what_went_wrong_and_a_program_reads_it(client: FlaskClient) -> None:
    page = client.get("/nothing", headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert str(escape("There is nothing at this address")) in page.get_data(as_text=True)
    assert client.get("/nothing", headers={"Accept": "application/json"}).mimetype == "application/problem+json"


# Starting.


def test_a_site_that_others_can_reach_needs_a_secret_and_an_account(tmp_path: Path) -> None:
    for secret in ("", "short"):
        with pytest.raises(SettingsError, match="Set SECRET_KEY to at least 32 characters and make an account"):
            guards.guard(Flask("x"), read({"HOST": "0.0.0.0", "SECRET_KEY": secret, "DATA_DIR": str(tmp_path)}))


def test_the_secret_of_a_local_site_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    first, second = Flask("a"), Flask("b")
    for app in (first, second):
        guards.guard(app, read({"DATA_DIR": str(tmp_path)}))
    assert first.config["SECRET_KEY"] == second.config["SECRET_KEY"]
    assert len(first.config["SECRET_KEY"]) == 64
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_secret_that_a_power_cut_emptied_is_made_anew_and_one_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    made = made_secret_key(read({"DATA_DIR": str(tmp_path)}))
    assert len(made) == 64
    assert made_secret_key(read({"DATA_DIR": str(tmp_path)})) == made
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


@pytest.mark.slow
def test_starting_and_the_first_page_load_nothing_heavy(app: Flask) -> None:
    code = (
        "import sys, webapp.app; page = webapp.app.create_app().test_client().get('/');"
        f"print(page.status_code, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "200 []"


def _app_that_raises(error: Exception) -> Flask:
    app = create_app()

    def fail() -> None:
        raise error

    app.add_url_rule("/raise", view_func=_never_returns(fail))
    return app


def _never_returns(fail: Callable[[], None]) -> Callable[[], str]:
    def view() -> str:
        fail()
        return ""

    return view


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(("mode", "dest"), [("no-cors", "image"), ("navigate", "iframe"), ("cors", "empty"), ("", "")])
def test_a_page_of_another_site_cannot_load_parts_of_this_one(
    client: FlaskClient, site: str, mode: str, dest: str
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    for path in ("/", "/kinds/query_data?example=1", "/static/legwork.css", "/api/v1/kinds"):
        assert client.get(path, headers=headers).status_code == 403


def test_a_form_of_another_site_is_refused_before_its_body_is_read(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    sent = client.post(
        "/kinds/nap", content_type="multipart/form-data; boundary=b", content_length=10**6, headers=headers
    )
    assert sent.status_code == 403


def test_a_page_of_another_site_can_link_to_this_one(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/", headers=headers).status_code == 200
