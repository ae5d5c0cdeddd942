"""What people and programs do, drawn at random."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from jobs.engine.kinds import catalogue
from tests.chaos.installation import AWAY, House
from tests.stories.site_client import table

KEPT = 300  # jobs and uploads that stand at a time; older ones are deleted
IDLE_SECONDS = 120.0
NOT_HERE = ("process_files", "read_bounces")  # OCR takes seconds of both cores; no mailbox


class Use:
    """`counts`: how often each act was done. Safe to use in several threads."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self._house = house
        self._chance = chance
        self._lock = threading.Lock()
        self._jobs: deque[str] = deque()
        self._files: deque[str] = deque()
        self.counts: Counter[str] = Counter()
        self._acts: dict[Callable[[], None], int] = {
            self._small_job: 70, self._any_kind: 3, self._rows: 4, self._chat: 4, self._upload: 5, self._stop: 4,
            self._pages: 8, self._schedule: 1, self._retry: 1,
        }  # fmt: skip
        kinds = {one.name: one.example for one in catalogue.kinds() if one.name not in NOT_HERE}
        self._examples = [(name, example) for name, example in kinds.items() if example]

    def act(self) -> None:
        """One thing; a restart of the site meanwhile is borne."""
        with self._lock:
            act = self._chance.choices(list(self._acts), list(self._acts.values()))[0]
        try:
            act()
            self._delete()
        except AWAY:
            self._count("away")
            time.sleep(1)

    def wait_idle(self) -> None:
        until = time.monotonic() + IDLE_SECONDS
        while time.monotonic() < until and self._house.site.jobs("&state=running"):
            time.sleep(1)

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def _submit(self, kind: str, params: dict[str, Any], what: str) -> None:
        answer = self._house.site.try_submit(kind, params)
        if answer.status == 202:
            with self._lock:
                self._jobs.append(answer.json["id"])
        self._count(what if answer.status == 202 else f"{kind} {answer.status}")

    def _small_job(self) -> None:
        self._submit("nap", {"naps": self._chance.randrange(1, 5)}, "small jobs")

    def _any_kind(self) -> None:
        name, example = self._chance.choice(self._examples)
        self._submit(name, dict(example), "jobs of all kinds")

    def _rows(self) -> None:
        source = self._upload_of(table(20))
        self._submit("generate_texts", {"source": source, "prompt": "{word}"}, "jobs with rows")

    def _chat(self) -> None:
        body = {"model": "", "stream": True, "messages": [{"role": "user", "content": str(self._chance.random())}]}
        self._house.site.send(
            "POST", "/v1/chat/completions", json.dumps(body).encode(), Content_Type="application/json"
        )
        self._count("streamed answers")

    def _upload(self) -> None:
        self._upload_of(self._chance.randbytes(self._chance.choice((1_000, 100_000, 1_000_000))))
        self._count("uploads")

    def _upload_of(self, data: bytes) -> str:
        made = self._house.site.upload("data.csv", data)
        with self._lock:
            self._files.append(made)
        return made

    def _any_job(self) -> str | None:
        with self._lock:
            return self._chance.choice(self._jobs) if self._jobs else None

    def _stop(self) -> None:
        if job := self._any_job():
            self._house.site.send("POST", f"/api/v1/jobs/{job}/cancel")
            self._count("stops")

    def _retry(self) -> None:
        if job := self._any_job():
            self._house.site.send("POST", f"/api/v1/jobs/{job}/retry")
            self._count("retries")

    def _pages(self) -> None:
        job = self._any_job()
        for path in ("/", "/jobs", *((f"/jobs/{job}",) if job else ())):
            self._house.site.send("GET", path)
        self._count("pages")

    def _schedule(self) -> None:
        body = {"kind": "nap", "params": {"naps": 1}, "cron": "* * * * *", "zone": "UTC"}
        answer = self._house.site.send(
            "POST", "/api/v1/schedules", json.dumps(body).encode(), Content_Type="application/json"
        )
        if answer.status == 201:
            self._house.site.send("DELETE", f"/api/v1/schedules/{answer.json['id']}")
        self._count("schedules" if answer.status == 201 else f"schedules {answer.status}")

    def _delete(self) -> None:
        """The oldest jobs and uploads; one that still runs is tried again later."""
        for known, where in ((self._jobs, "jobs"), (self._files, "files")):
            with self._lock:
                oldest = known.popleft() if len(known) > KEPT else None
            if oldest is not None:
                status = self._house.site.send("DELETE", f"/api/v1/{where}/{oldest}").status
                if status == 409:
                    with self._lock:
                        known.append(oldest)
                self._count(f"{where} deleted" if status != 409 else f"{where} not deleted yet")
