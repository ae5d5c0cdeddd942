"""How much a worker gets done: many small items in a job, many waits, many jobs, a very long table."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs.engine.db.models import File
from jobs.engine.files import uploads
from jobs.engine.queue import queries
from tests.bench import installation
from tests.bench.figures import Figure, Target
from tests.bench.peers import run as peers
from tests.engine.workers import Workers

PEERS = (
    *(peers.HUEY, peers.HUEY_PROCESS, peers.SAQ, peers.SAQ_MORE, peers.TASKIQ, peers.RQ, peers.RQ_SIMPLE),
    *(peers.CELERY, peers.CELERY_PROCESS, peers.CELERY_THREADS, peers.DRAMATIQ),
)
WAITERS = (peers.TASKIQ, peers.SAQ_MORE, peers.CELERY_MORE, peers.DRAMATIQ_MORE)


def items(redis_url: str, count: int, repeat: int) -> list[Figure]:
    one: list[float] = []
    eight: list[float] = []
    theirs: dict[str, list[float]] = {peer.name: [] for peer in PEERS}
    for _ in range(repeat):
        with installation.worker():
            one.append(count / installation.seconds(installation.run("nap", naps=count)))
            eight.append(count / installation.seconds(installation.run("nap", naps=count, concurrency=8)))
        for peer in PEERS:
            theirs[peer.name].append(peers.rate(peer, redis_url, count))
    targets = {"target": Target("ours", ">=", 9_000), "also": Target("ratio", ">=", 5)}
    return [
        Figure(f"{count:,} no-op items of a job, one at a time", "/s", one, theirs, **targets),
        Figure(f"{count:,} no-op items of a job, 8 at a time", "/s", eight, theirs, **targets),
    ]


def jobs(redis_url: str, count: int, repeat: int) -> Figure:
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(repeat):
        ours.append(_jobs_a_second(count))
        theirs.append(peers.rate(peers.RQ, redis_url, 10_000))
    # What RQ does in a second differs by a third among machines alike; the target was set where it did 65.
    targets = {"target": Target("ours", ">=", 200), "also": Target("ratio", ">=", 200 / 65)}
    return Figure("no-op jobs one after another, one worker", "/s", ours, {"RQ": theirs}, **targets)


def waits(redis_url: str, repeat: int) -> list[Figure]:
    inside: list[float] = []
    whole: list[float] = []
    theirs: dict[str, list[float]] = {peer.name: [] for peer in WAITERS}
    for _ in range(repeat):
        with installation.worker():
            for _ in range(3):
                began = time.time()
                job = installation.run("nap", naps=200, seconds=0.05, concurrency=64)
                inside.append(installation.seconds(job))
                whole.append(job.finished_at.timestamp() - began)
        for peer in WAITERS:
            theirs[peer.name].append(peers.wait_seconds(peer, redis_url, 200))
    what = "200 waits of 50 ms at 64"
    return [
        Figure(f"{what}, claim → settled", "s", inside, target=Target("ours", "<=", 0.25), best="lowest"),
        Figure(f"{what}, submit → settled", "s", whole, theirs, best="lowest"),
    ]


def long_table(rows: int) -> list[Figure]:
    rates: dict[int, float] = {}
    with TemporaryDirectory() as folder, installation.worker() as program:
        for count in (rows // 10, rows):
            file = upload(Path(folder) / "long.csv", count)
            watch = _Memory(program)
            job = installation.run("read_rows", watch.look, source=str(file.id))
            assert job.done == count, job.done
            rates[count] = count / installation.seconds(job)
    return [
        Figure(f"a table of {rows:,} rows, each recorded", "rows/s", [rates[rows]]),
        Figure(f"{rows:,} rows beside {rows // 10:,}, rows a second", "of its rate", [rates[rows] / rates[rows // 10]]),
        Figure(f"{rows:,} rows, most memory of the child", "MB", [watch.most], target=Target("ours", "<=", 300)),
    ]


def _jobs_a_second(count: int) -> float:
    """Of a queue that was filled before its worker started, without the first tenth: as the peers' are counted."""
    ids = [installation.submit("stamp").id for _ in range(count)]
    with installation.workers("--processes", "1", "--queues", "cpu,io"):
        installation.ended(queries.job(ids[-1], installation.OWNER))
    ends = sorted(queries.job(id, installation.OWNER).finished_at.timestamp() for id in ids)[int(count * peers.HEAD) :]
    return (len(ends) - 1) / (ends[-1] - ends[0])


def upload(path: Path, rows: int) -> File:
    with path.open("w") as out:
        out.write("number,name,text\n")
        out.writelines(f"{row},name {row % 997},some words that a row has {row * 7919 % 1000}\n" for row in range(rows))
    with path.open("rb") as stream:
        return uploads.upload(stream, path.name, owner=installation.OWNER)


class _Memory:
    """The most that a worker's child had in memory, as the kernel counts it."""

    def __init__(self, program: Workers):
        self.most = 0.0
        self._program = program

    def look(self) -> None:
        for pid in self._program.horses:
            self.most = max(self.most, _megabytes(pid, "VmHWM"))


def _megabytes(pid: int, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{name}:")), 0.0)
