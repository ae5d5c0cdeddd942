"""The package as it is installed, and its one command: built, installed beside nothing else, started and used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CODE, OURS, _open_folder
from tests.stories.app_process import NO_MODEL, App, end, free_port
from tests.stories.site_client import until
from webapp.command.options import option_name

pytestmark = pytest.mark.slow
ENDED = {"succeeded", "partial", "failed", "cancelled"}


class Installation:
    """A virtual environment that has our wheel, and the packages of this one; commands run in an empty folder."""

    def __init__(self, folder: Path):
        self.folder = folder / "work"
        self.folder.mkdir(mode=0o755)
        self.bin = folder / "venv" / "bin"
        self.run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
        site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
        (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
        (self.bin / "gunicorn").write_text(
            f"#!{self.bin}/python\nimport sys\nfrom gunicorn.app.wsgiapp import run\nsys.exit(run())\n"
        )
        (self.bin / "gunicorn").chmod(0o755)
        built = _wheel_of_sdist(folder)
        pip = ("-m", "pip", "--python", str(self.bin / "python"), "install", "--quiet", "--no-deps", "--no-index")
        self.run(sys.executable, *pip, str(built))

    @property
    def environ(self) -> dict[str, str]:
        left_out = {*OURS, "PYTHONPATH", "FLASK_SKIP_DOTENV"}
        return {name: value for name, value in os.environ.items() if name not in left_out} | NO_MODEL

    def run(self, *command: str, code: int = 0, **extra: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ | extra, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def legwork(self, *arguments: str, code: int = 0, **extra: str) -> str:
        return self.run(str(self.bin / "legwork"), *arguments, code=code, **extra)


def _wheel_of_sdist(folder: Path) -> Path:
    """The wheel that is built from the sdist, so that both are tried."""
    build = (sys.executable, "-m", "hatchling", "build")
    subprocess.run([*build, "-t", "sdist", "-d", str(folder)], cwd=CODE, check=True, capture_output=True)
    (packed,) = folder.glob("*.tar.gz")
    with tarfile.open(packed) as sdist:
        sdist.extractall(folder / "sdist", filter="data")
    (source,) = (folder / "sdist").iterdir()
    subprocess.run([*build, "-t", "wheel", "-d", str(folder)], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed() -> Iterator[Installation]:
    with _open_folder() as folder:
        yield Installation(folder)


@pytest.fixture(scope="module")
def app(installed: Installation) -> Iterator[App]:
    """Started by `legwork run` in a folder with a kind of its own. Its settings are in .env."""
    data_dir, port, said = installed.folder / "data", free_port(), installed.folder / "terminal.txt"
    (installed.folder / ".env").write_text(f"PORT={port}\nDATA_DIR={data_dir}\n")
    installed.legwork("new", "kind", "letters")
    with said.open("ab") as terminal:
        running = subprocess.Popen(
            [str(installed.bin / "legwork"), "run"],
            cwd=installed.folder,
            env=installed.environ,
            stdout=terminal,
            stderr=terminal,
        )
    app = App(f"http://127.0.0.1:{port}", data_dir, running, said)
    try:
        yield app.wait_ready()
    finally:
        end(app)


def test_an_installed_package_runs_jobs(app: App) -> None:
    """With pages, styles, samples and migrations, which are no Python files."""
    page = _get(f"{app.url}/").decode()
    style = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert len(_get(app.url + style)) > 1_000
    for kind in ("letters", "simulate"):
        example = json.loads(_get(f"{app.url}/api/v1/kinds/{kind}"))["example"]
        job = _post(f"{app.url}/api/v1/kinds/{kind}/jobs", example)
        until(lambda job=job: _job(app, job)["state"] in ENDED, f"the end of {kind}")
        assert _job(app, job)["state"] == "succeeded", _job(app, job)
        assert b"Succeeded" in _get(f"{app.url}/jobs/{job['id']}")


def test_commands_find_the_running_one_by_env_file(app: App, installed: Installation) -> None:
    assert str(app.data_dir) in installed.legwork("doctor", code=1)  # there is no model
    elsewhere = installed.legwork("doctor", code=1, DATA_DIR=str(installed.folder / "none"))
    assert "A Legwork runs on this machine with DATA_DIR=" in elsewhere  # this one, or one of another test
    assert installed.legwork("accounts", "list") == ""
    installed.legwork("backup", "all.tar")
    assert (installed.folder / "all.tar").is_file()


def test_what_is_typed_wins_over_the_env_file(app: App, installed: Installation) -> None:
    assert "PORT is 'x'" in installed.legwork("run", code=2, PORT="x")


def test_the_test_of_a_new_kind_passes(app: App, installed: Installation) -> None:
    done = installed.run(str(installed.bin / "python"), "-m", "pytest", "-q", "tests", PYTHONPATH=".")
    assert "3 passed" in done
    assert "exists already" in installed.legwork("new", "kind", "letters", code=2)
    assert "cannot be the name" in installed.legwork("new", "kind", "../x", code=2)


def test_flasks_own_command_finds_the_site(app: App, installed: Installation) -> None:
    flask = (str(installed.bin / "python"), "-m", "flask", "--app", "webapp")
    assert "/kinds/<name>" in installed.run(*flask, "routes")
    assert "Usage" in installed.run(*flask, "run", "--help")
    assert "usage: python -m jobs" in installed.run(str(installed.bin / "python"), "-m", "jobs", "--help")
    assert "usage: legwork worker" in installed.legwork("worker", "--help")


def test_a_job_from_a_terminal(app: App, installed: Installation) -> None:
    """A file goes up, progress is shown, results come down, and what is refused is said of the option."""
    table = installed.folder / "Tabelle “ä”.csv"
    table.write_text("text\n" + "eleven\n" * 5 + "no\n")
    outs = [f"out.{form}" for form in ("csv", "jsonl", "xlsx", "parquet", "json")]
    asked = ("letters", "--source", table.name, "--column", "text", "--shortest", "3")
    said = installed.legwork("submit", *asked, *(word for out in outs for word in ("--out", out)))
    assert "letters succeeded, 6 of 6" in said
    assert (installed.folder / "out.csv").read_text().count("eleven,6") == 5
    assert json.loads((installed.folder / "out.json").read_text())["label"] == table.name
    assert all((installed.folder / out).stat().st_size > 50 for out in outs)
    assert "--shortest: " in installed.legwork("submit", *asked[:-1], "0", code=5)
    assert "There is no file" in installed.legwork("submit", "letters", "--source", "none.csv", code=2)
    assert "must end in .csv" in installed.legwork("submit", *asked, "--out", "x.pdf", code=2)
    assert "There is no kind" in installed.legwork("submit", "nothing", code=5)
    assert "letters" in installed.legwork("jobs")
    query = ("query_data", "--files", table.name, "--sql", "select 1 as one", "--save", "saved")
    installed.legwork("submit", *query)
    assert [path.suffix for path in (installed.folder / "saved").iterdir()] == [".csv"]


def test_how_a_job_ended_is_the_exit_code(app: App, installed: Installation) -> None:
    later = installed.legwork("submit", "letters", "--run-at", "2099-01-01T00:00:00Z", "--params", "none.json", code=2)
    assert "none.json" in later
    (installed.folder / "params.json").write_text('{"source": "sample:reviews.csv", "column": "review"}')
    at = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    job = installed.legwork("submit", "letters", "--params", "params.json", "--run-at", at).split()[0]
    options: dict[str, Any] = {"cwd": installed.folder, "env": installed.environ, "text": True}
    command = [str(installed.bin / "legwork"), "wait", job]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background ignores it, and what it starts
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **options) as waiting:
        assert waiting.stderr is not None
        waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        assert "The job goes on" in waiting.stderr.read()
    assert waiting.returncode == 130
    installed.legwork("stop", job)
    assert "stopped" in installed.legwork("submit", "letters", "--resume", job, code=4)
    assert "does not answer" in installed.legwork("wait", job, "--url", "http://127.0.0.1:9", code=6)
    for url in (("--url", "http://127.0.0.1:9"), ("--url=http://127.0.0.1:9",)):
        assert "127.0.0.1:9 does not answer" in installed.legwork("submit", "letters", "--shortest", "3", *url, code=6)
    assert "not encrypted" in installed.legwork("jobs", code=5, LEGWORK_URL="http://x.example", LEGWORK_TOKEN="t")


def test_the_help_of_a_kind_has_the_fields_of_its_form(app: App, installed: Installation) -> None:
    for kind in ("generate_texts", "send_emails", "run_agent"):
        said = installed.legwork("submit", kind, "--help")
        fields = json.loads(_get(f"{app.url}/api/v1/kinds/{kind}"))["schema"]["properties"]
        missing = [name for name in fields if f"{option_name(name)} " not in said.replace("\n", " ").replace("/", " ")]
        assert missing == [], said
    assert "Write one text per row" in installed.legwork("submit", "--help")


def test_a_kind_that_is_saved_is_used_at_once(app: App, installed: Installation) -> None:
    """In its form, and in the next job; a mistake in it is shown while the version before goes on."""
    file = installed.folder / "kinds" / "letters.py"
    before = file.read_text()
    file.write_text(before.replace("Shortest text", "Least text").replace("len(text)}", "2 * len(text)}"))
    try:
        until(lambda: b"Least text" in _get(f"{app.url}/kinds/letters"), "the new form", 5)
        job = _post(f"{app.url}/api/v1/kinds/letters/jobs", {"source": "sample:reviews.csv", "column": "product"})
        until(lambda: _job(app, job)["state"] in ENDED, "its end")
        (item,) = json.loads(_get(f"{app.url}/api/v1/jobs/{job['id']}/items?limit=1"))["items"]
        assert item["output"] == {"characters": 2 * len(item["input"]["product"])}
        file.write_text(before + "def broken(:\n")
        until(lambda: b"does not import: SyntaxError" in _get(f"{app.url}/kinds/letters"), "the mistake", 5)
        assert b"Least text" in _get(f"{app.url}/kinds/letters")
    finally:
        file.write_text(before)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


def _post(url: str, body: object) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def _job(app: App, job: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(_get(f"{app.url}/api/v1/jobs/{job['id']}")))
