"""No space is left: where files are kept, or where Postgres lives."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos.installation import House
from tests.chaos.verdicts import Verdict
from tests.stories.site_client import ENDED, Site, file, until

MB = 1_000_000
MOST_SUBMISSIONS = 300


def may_mount() -> bool:
    """Whether this user, in this container, may mount a small disk."""
    found = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return os.getuid() == 0 and found.returncode == 0


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of that size in the place of a folder, for as long as the block runs; what was in the folder is hidden."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder.stat()
    options = f"size={megabytes}m,mode={owner.st_mode & 0o777:o},uid={owner.st_uid},gid={owner.st_gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def files_full(house: House, chance: random.Random) -> list[Verdict]:
    """Uploads and results find no space; with space again, the same job does."""
    site = Site(house.app.url)
    with small_disk(house.folder / "data" / "files", 2) as disk:
        refused = site.post("/api/v1/files", {"file": file("big.bin", b"x" * 3 * MB)})
        left = [path for path in disk.rglob("*") if path.is_file()]
        small = site.submit("keepsake", bytes=1_000)
        job = site.submit("keepsake", bytes=4 * MB)
        until(lambda: "no space" in (site.job(job)["message"] or ""), "the reason on the job")
        told = site.job(job)
        well = site.ended(small)["state"]
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        if site.job(job)["state"] in ENDED:
            site.tell(job, "retry")
        done = site.ended(job)
        kept = len(site.get(done["files"][0]["url"]).body)
    said = json.loads(refused.body).get("detail", "")
    return [
        Verdict("Disk of files full: uploads", f"{refused.status}: {said}", "no space" in said and not left),
        Verdict("Disk of files full: jobs", f"{told['reason']}: {told['message']}", told["reason"] == "no_space"),
        Verdict("Disk of files: a small result still fits", well, well == "succeeded"),
        Verdict("Disk of files with space again", f"{done['state']}, {kept:,} bytes", kept == 4 * MB),
    ]


def postgres_full(house: House, chance: random.Random, jobs: int = 20) -> list[Verdict]:
    """The house's Postgres lives on a small disk (`small_disk` around its opening), which is filled under load."""
    site = house.site
    ids = site.submit_all(f"full-{chance.random()}", [{"naps": 30, "seconds": 0.05}] * jobs, "nap")
    filler = house.folder / "postgres" / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as target:
        while target.write(b"\0" * MB):
            continue
    statuses: list[int] = []
    while len(statuses) < MOST_SUBMISSIONS and statuses.count(503) < 3:
        body = json.dumps({"naps": 1, "witness": chance.randbytes(50_000).hex()}).encode()
        answer = Site(house.app.url).send("POST", "/api/v1/kinds/nap/jobs", body, Content_Type="application/json")
        statuses.append(answer.status)
    filler.unlink()
    if house.postgres.process and house.postgres.process.poll() is not None:
        house.start_postgres()
    ended = site.all_ended(ids, 120)
    well = sum(job["state"] == "succeeded" for job in ended)
    found = {status: statuses.count(status) for status in sorted(set(statuses))}
    return [
        Verdict(
            "Disk of Postgres full", f"submissions answered {found}", set(statuses) <= {202, 503} and 503 in statuses
        ),
        Verdict("Disk of Postgres with space again", f"{well} of {jobs} succeeded", well == jobs),
    ]
