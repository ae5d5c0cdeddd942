"""How much faster one job is with more workers, and what sharing it costs."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.files import uploads
from tests.bench import installation
from tests.bench.embed import texts
from tests.bench.figures import Figure, Target

WORDS = "some words of a small file that has something to say "
_PARTS = text("select count(*) from parts where job_id = :id")


def figures(quick: bool, repeat: int) -> list[Figure]:
    calls, items, files = (4_000, 200_000, 200) if quick else (20_000, 1_000_000, 2_000)
    with TemporaryDirectory() as folder:
        archive = _archive(Path(folder) / "files.zip", files)
        return [
            _speed(
                f"{calls:,} calls of 200 ms, 64 at a time in each worker",
                4,
                3.7,
                repeat,
                lambda: installation.run("wide_nap", naps=calls, seconds=0.2, concurrency=64),
            ),
            _speed(f"{items:,} no-op items", 2, 1.5, repeat, lambda: installation.run("wide_nap", naps=items)),
            _speed(
                f"process_files, {files:,} small files",
                2,
                1.8,
                repeat,
                lambda: installation.run("process_files", files=[archive], collection="bench", duplicates="keep"),
            ),
            _speed(
                f"embed_texts, {files:,} rows",
                2,
                1.8,
                repeat,
                lambda: _embed(Path(folder) / "texts.jsonl", files),
            ),
            *_costs(repeat),
        ]


def _speed(what: str, workers: int, target: float, repeat: int, job: Callable[[], Job]) -> Figure:
    """How often the time of `workers` goes into that of one."""
    ratios = []
    for _ in range(repeat):
        seconds = {}
        for many in (1, workers):
            with installation.workers("--processes", str(many), "--queues", "cpu,io"):
                for _ in range(many):
                    installation.run("stamp")
                seconds[many] = installation.seconds(job())
        ratios.append(seconds[1] / seconds[workers])
    return Figure(f"{what}: {workers} workers beside one", "x", ratios, {}, Target("ours", ">=", target))


def _embed(path: Path, rows: int) -> Job:
    with texts(path, rows).open("rb") as stream:
        file = uploads.upload(stream, path.name, owner=installation.OWNER)
    return installation.run("embed_texts", source=str(file.id), text_column="text")


def _costs(repeat: int) -> list[Figure]:
    small, shared, part = [], [], []
    for _ in range(repeat):
        with installation.worker():
            for _ in range(10):
                alone = installation.seconds(installation.run("nap", naps=10, seconds=0.01))
                small.append(installation.seconds(installation.run("wide_nap", naps=10, seconds=0.01)) / alone)
            alone = installation.seconds(installation.run("nap", naps=2_000, seconds=0.01))
            job = installation.run("wide_nap", naps=2_000, seconds=0.01)
            shared.append(installation.seconds(job) / alone)
            with postgres.session() as session:
                parts = session.scalar(_PARTS, {"id": job.id}) or 1
            part.append(1000 * max(installation.seconds(job) - alone, 0) / parts)
    return [
        Figure("a job of 10 items of a kind that spreads, beside one that does not", "x", small, {}, _at_most(1.05)),
        Figure(
            "a job of 20 s with one worker, cut into parts, beside one that is not", "x", shared, {}, _at_most(1.05)
        ),
        Figure("what a part costs", "ms", part, {}, _at_most(20)),
    ]


def _at_most(value: float) -> Target:
    return Target("ours", "<=", value)


def _archive(path: Path, files: int) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(files):
            archive.writestr(f"{number:05}.md", f"# File {number}\n\n{WORDS * (5 + number % 20)}\n")
    with path.open("rb") as stream:
        return str(uploads.upload(stream, path.name, owner=installation.OWNER).id)
