"""Kinds of job on a very long table: how fast each goes through it, and the most memory that any of its processes took."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jobs.engine.db.models import File
from jobs.engine.files import uploads
from tests.bench import installation
from tests.bench.figures import Figure, Target
from tests.engine.workers import CODE, Workers, children

LEAST_GROWTH = 10  # the same with a tenth of the rows, to see whether memory grows with them
MOST = Target("ours", "<=", 300)
SQL = "select *, number * 2 as twice, upper(name) as loud from long order by number desc"


def figures(rows: int, only: str = "") -> list[Figure]:
    """Each kind with a tenth of the rows and with all of them; what is exported is what was imported before."""
    with TemporaryDirectory() as folder, _provider() as url:
        model = {"OPENAI_BASE_URL": url, "OPENAI_MODEL": "fake-small", "EMBEDDING_MODEL": "fake-embed"}
        with installation.environment(**model), installation.worker(**model) as program:
            found = []
            for count in (rows // LEAST_GROWTH, rows):
                file = str(_table(Path(folder) / "long.csv", count).id)
                jobs = {kind: params for kind, params in _jobs(file, count).items() if only in kind}
                found += [_measured(program, kind, params, count) for kind, params in jobs.items()]
    return [figure for pair in found for figure in pair]


def _jobs(file: str, count: int) -> dict[str, dict[str, Any]]:
    """What is run, in this order."""
    collection = f"long {count}"
    everything = {"row_limit": 10**8, "seconds": 3_600}
    return {
        "query_data": {"files": [file], "sql": SQL, "format": "parquet", **everything},
        "import_data": {"source": file, "collection": collection, "mapping": {"title": "name", "text": "text"}},
        "export_data": {"what": "documents", "filter": {"collection": collection}, "format": "parquet"},
        "embed_texts": {"source": file, "text_column": "text", "batch_size": 256},
        "generate_texts": {"source": file, "prompt": "Row {number}.", "output_column": "answer", "concurrency": 64},
    }


def _measured(program: Workers, kind: str, params: dict[str, Any], count: int) -> tuple[Figure, Figure]:
    watch = Memory(program)
    job = installation.run(kind, watch.look, **params)
    rate = count / installation.seconds(job)
    print(f"  {kind}, {count:,} rows: {rate:,.0f} rows/s; {watch.told()}", flush=True)
    return (
        Figure(f"{kind}, {count:,} rows", "rows/s", [rate]),
        Figure(f"{kind}, {count:,} rows, most memory of a process", "MB", [watch.most], target=MOST),
    )


class Memory:
    """The most that each process under a worker had, as the kernel counts it; what it shares with others is counted too."""

    def __init__(self, program: Workers) -> None:
        self._program = program
        self._peaks: dict[str, float] = {}

    @property
    def most(self) -> float:
        return max(self._peaks.values(), default=0.0)

    def look(self) -> None:
        for pid in [one for horse in self._program.horses for one in _with_children(horse)]:
            name, megabytes = _peak(pid)
            self._peaks[name] = max(self._peaks.get(name, 0.0), megabytes)

    def told(self) -> str:
        return ", ".join(f"{name} {megabytes:,.0f} MB" for name, megabytes in self._peaks.items())


def _with_children(pid: int) -> list[int]:
    return [pid, *(below for child in children(pid) for below in _with_children(child))]


def _peak(pid: int) -> tuple[str, float]:
    """What a process is, and the most memory it had."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return "gone", 0.0
    own = [word for word in command if word.startswith("jobs.engine.")]
    kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    return own[0] if own else "the job's process", kilobytes * 1024 / 1e6


def _table(path: Path, rows: int) -> File:
    with path.open("w") as out:
        out.write("number,name,text\n")
        out.writelines(f"{row},name {row % 997},some words that row {row} has and no other\n" for row in range(rows))
    with path.open("rb") as stream:
        return uploads.upload(stream, path.name, owner=installation.OWNER)


@contextmanager
def _provider() -> Iterator[str]:
    """One that answers at once and remembers nothing."""
    command = [sys.executable, "-m", "tests.fake_provider"]
    with subprocess.Popen(command, cwd=CODE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = f"http://127.0.0.1:{int(process.stdout.readline())}"
            script = json.dumps({"keep": False, "dimension": 32}).encode()
            urllib.request.urlopen(f"{address}/script", script, timeout=10).close()
            yield f"{address}/v1"
        finally:
            process.kill()
