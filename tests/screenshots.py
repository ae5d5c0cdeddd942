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
from playwright.sync_api import Browser, Page, sync_playwright

CODE = Path(__file__).parents[1]
FOLDER = CODE / "docs" / "screenshots"
COLOURS = 128
READY_SECONDS = 600
QUESTION = "Write one short sentence that thanks a customer for a review."
WIDE, NARROW = 1280, 390
WHOLE = (
    "job-result",
    "job-embedded",
    "job-query",
    "job-simulated",
    "job-items",
    "job-judged",
    "job-timeline",
    "operations",
)  # as long as they are
LOOKS = ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark"))


def main() -> None:
    with _standing(sys.argv[1:]) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        FOLDER.mkdir(parents=True, exist_ok=True)
        for old in FOLDER.glob("*.png"):
            old.unlink()
        _take(browser, address, _content(address))


def _chromium() -> str | None:
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


def _content(address: str) -> dict[str, str]:
    """Start what the pictures show; the addresses of the pages, those of what moves first."""
    talk = _post(f"{address}/api/v1/chat", {})
    answer = _post(f"{address}/api/v1/chat/{talk['id']}/messages", {"text": QUESTION})
    _until(lambda: _get(f"{address}/api/v1/chat/answers/{answer['id']}")["finished_at"])
    read = _start(address, "process_files")
    for kind in ("build_report", "send_emails"):
        _ended(address, _start(address, kind))
    embedded, queried, simulated = (_start(address, kind) for kind in ("embed_texts", "query_data", "simulate"))
    for job in (embedded, queried, simulated):
        _ended(address, job)
    result = _start(address, "recommend")
    _ended(address, _start(address, "index_documents"))
    judged = _start(address, "moderate_content")
    _ended(address, judged)
    _ended(address, result)
    for kind, cron in (("generate_texts", "0 18 * * 5"), ("embed_texts", "30 6 * * 1-5")):
        body = {"kind": kind, "params": _example(address, kind), "cron": cron, "zone": "Europe/Berlin"}
        schedule = _post(f"{address}/api/v1/schedules", body)
    _ended(address, _post(f"{address}/api/v1/schedules/{schedule['id']}/run", {}))
    message = _get(f"{address}/api/v1/outbox")["messages"][0]
    table = _upload(address, "autumn reviews.csv", _many_reviews())
    running = _start(address, "generate_texts", source=table)
    _until(lambda: _get(f"{address}/api/v1/jobs/{running['id']}")["progress"]["done"] >= 10)
    return {
        "job-running": f"/jobs/{running['id']}",
        "catalogue": "/",
        "jobs": "/jobs",
        "form": "/kinds/generate_texts?example=1",
        "job-result": f"/jobs/{result['id']}",
        "job-embedded": f"/jobs/{embedded['id']}?near=it+broke+after+a+few+weeks",
        "job-query": f"/jobs/{queried['id']}",
        "job-simulated": f"/jobs/{simulated['id']}",
        "job-items": f"/jobs/{read['id']}/items",
        "job-judged": f"/jobs/{judged['id']}",
        "job-timeline": f"/jobs/{read['id']}/timeline",
        "library": "/library",
        "search": "/search?q=how+do+I+send+something+back",
        "chat": f"/chat/{talk['id']}",
        "operations": "/operations",
        "schedules": "/schedules",
        "outbox": "/outbox",
        "outbox-message": f"/outbox/{message['id']}",
    }


def _take(browser: Browser, address: str, pages: dict[str, str]) -> None:
    """Each page in each look. A page of what moves is taken in all of them before the next."""
    tabs = {look: _tab(browser, address, *look) for look in LOOKS}
    for name, path in pages.items():
        for (width, scheme), tab in tabs.items():
            answer = tab.goto(address + path)
            if answer is None or not answer.ok:
                raise SystemExit(f"{path} did not answer with a page.")
            tab.wait_for_timeout(400)
            whole = name in WHOLE and width == WIDE
            _keep(f"{name}-{'phone' if width == NARROW else 'wide'}-{scheme}", tab.screenshot(full_page=whole))


def _tab(browser: Browser, address: str, width: int, scheme: Any) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 844 if width == NARROW else 820},
        color_scheme=scheme,
        timezone_id="Europe/Berlin",
    )
    tab = context.new_page()
    tab.goto(address)  # from the next page on times are in its zone
    return tab


def _many_reviews() -> bytes:
    """The sample's rows four times, so that the job is still at work when its picture is taken."""
    head, *rows = (CODE / "jobs" / "samples" / "reviews.csv").read_text().strip().splitlines()
    many = [f"{number},{rows[number % len(rows)].partition(',')[2]}" for number in range(1, 49)]
    return "\n".join([head, *many, ""]).encode()


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


def _start(address: str, kind: str, query: str = "", **params: Any) -> dict[str, Any]:
    """Submit the example of that kind, with these params instead of its own."""
    job: dict[str, Any] = _post(f"{address}/api/v1/kinds/{kind}/jobs{query}", _example(address, kind) | params)
    return job


def _upload(address: str, name: str, content: bytes) -> str:
    edge = "edge-of-the-part"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    with urllib.request.urlopen(urllib.request.Request(f"{address}/api/v1/files", body, kind), timeout=30) as answer:
        return str(json.load(answer)["id"])


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
