"""P16: what was shown as succeeded outlives kill -9 of everything, Postgres included, at that very moment."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from tests.chaos.installation import SPECIMENS, PatientSite
from tests.chaos.verdicts import Verdict
from tests.stories.app_process import NO_MODEL, App, end, start

A_ROUND = 10  # results, in one house, between two ends of everything


def survival(folder: Path, chance: random.Random, results: int = 100) -> list[Verdict]:
    """The app with its built-in services, in that folder. Everything is killed as soon as some results are shown."""
    shown: dict[str, str] = {}
    rounds = 0
    app = _begin(folder)
    try:
        while len(shown) < results:
            rounds += 1
            shown |= _results(PatientSite(app.url), chance, f"keep-{chance.random()}", len(shown))
            app.kill_everything()
            app = _begin(folder)
        site = PatientSite(app.url)
        kept = sum(_is_whole(site, job, digest) for job, digest in shown.items())
    finally:
        end(app)
    figure = f"{kept} of {len(shown)} results whole after {rounds} ends of everything"
    return [Verdict("P16 results survive", figure, kept == len(shown))]


def _begin(folder: Path) -> App:
    return start(folder / "data", folder, (), NO_MODEL | SPECIMENS).wait_ready()


def _results(site: PatientSite, chance: random.Random, key: str, before: int) -> dict[str, str]:
    """By job, the checksum that its result names: of those that are shown as succeeded at one look."""
    sizes = [{"bytes": chance.choice((1_000, 100_000, 3_000_000))} for _ in range(A_ROUND)]
    ids = set(site.submit_all(key, sizes, "keepsake"))
    wanted = chance.randint(A_ROUND // 2, A_ROUND)
    while True:
        found = [job for job in site.jobs() if job["id"] in ids and job["state"] == "succeeded"]
        if len(found) >= wanted:
            return {job["id"]: site.job(job["id"])["result"]["sha256"] for job in found}


def _is_whole(site: PatientSite, job: str, digest: str) -> bool:
    found = site.job(job)
    if found["state"] != "succeeded" or found["result"]["sha256"] != digest:
        return False
    return all(hashlib.sha256(site.get(file["url"]).body).hexdigest() == digest for file in found["files"])
