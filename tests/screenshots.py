"""`python -m tests.screenshots ADDRESS`: pictures of a running Legwork, with real content, into docs/screenshots/.

It starts what the pictures show through the API, as anybody could. `make screenshots` starts a Legwork for it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

CODE = Path(__file__).parents[1]
FOLDER = CODE / "docs" / "screenshots"
COLOURS = 128
READY_SECONDS = 180
WIDE, NARROW = 1280, 390


def main() -> None:
    with _standing(sys.argv[1:]) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        FOLDER.mkdir(parents=True, exist_ok=True)
        _take(browser, address, _content(address))


def _chromium() -> str | None:
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


def _content(address: str) -> dict[str, str]:
    """Start what the pictures show; the addresses of their pages."""
    counts = _post(f"{address}/api/v1/kinds/embed_texts/jobs", _example(address, "embed_texts"))
    done = _post(f"{address}/api/v1/kinds/generate_texts/jobs?sample=6", _example(address, "generate_texts"))
    _ended(address, done)
    _ended(address, counts)
    for kind, cron in (("embed_texts", "30 6 * * 1-5"), ("generate_texts", "0 18 * * 5")):
        body = {"kind": kind, "params": _example(address, kind), "cron": cron, "zone": "Europe/Berlin"}
        schedule = _post(f"{address}/api/v1/schedules", body)
    _ended(address, _post(f"{address}/api/v1/schedules/{schedule['id']}/run", {}))
    running = _post(f"{address}/api/v1/kinds/generate_texts/jobs", _example(address, "generate_texts"))
    _until(lambda: _get(f"{address}/api/v1/jobs/{running['id']}")["progress"]["done"] >= 3)
    return {"done": f"/jobs/{done['id']}", "running": f"/jobs/{running['id']}"}


def _take(browser: Browser, address: str, pages: dict[str, str]) -> None:
    for name, path, width, scheme in (
        ("job-running", pages["running"], WIDE, "light"),
        ("job-running-phone", pages["running"], NARROW, "dark"),
        ("catalogue", "/", WIDE, "light"),
        ("catalogue-phone", "/", NARROW, "light"),
        ("jobs", "/jobs", WIDE, "light"),
        ("jobs-dark", "/jobs", WIDE, "dark"),
        ("form", "/kinds/generate_texts?example=1", WIDE, "light"),
        ("job-result", pages["done"], WIDE, "light"),
        ("schedules", "/schedules", WIDE, "dark"),
    ):
        height = 844 if width == NARROW else 820
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,  # type: ignore[arg-type]
            timezone_id="Europe/Berlin",
        )
        page = context.new_page()
        page.goto(address)
        page.goto(address + path)
        page.wait_for_timeout(500)
        _keep(name, page.screenshot())
        context.close()


def _keep(name: str, picture: bytes) -> None:
    """In few colours: these pages have no more, and the file is a fifth."""
    small = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(FOLDER / f"{name}.png", optimize=True)
    print(f"{name}.png {(FOLDER / f'{name}.png').stat().st_size / 1000:.0f} kB")


@contextmanager
def _standing(given: list[str]) -> Iterator[str]:
    """The address that was given, or that of a Legwork of our own."""
    if given:
        yield given[0].rstrip("/")
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="legwork-pictures-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        ours = os.environ | {"PORT": str(port), "DATA_DIR": f"{folder}/var"}
        program = subprocess.Popen([sys.executable, "-m", "webapp"], cwd=CODE, env=ours)
        try:
            address = f"http://127.0.0.1:{port}"
            _until(lambda: _answers(f"{address}/readyz"))
            yield address
        finally:
            program.terminate()
            program.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _until(condition: Any) -> None:
    end = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("It did not come to be in time.")
        time.sleep(0.2)


def _ended(address: str, job: dict[str, Any]) -> None:
    ended = ("succeeded", "partial", "failed", "cancelled")
    _until(lambda: _get(f"{address}/api/v1/jobs/{job['id']}")["state"] in ended)


def _example(address: str, kind: str) -> dict[str, Any]:
    example: dict[str, Any] = _get(f"{address}/api/v1/kinds/{kind}")["example"]
    return example


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def _post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
