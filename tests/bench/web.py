"""What a web process costs: until it could answer, and the memory that it has when it has answered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench.figures import Figure, Target
from tests.bench.site import kept, served
from tests.engine.workers import CODE

PAGES = ("/", "/jobs", "/kinds/generate_texts", "/chat")
PROGRAM = """
import time
began = time.perf_counter()
from webapp.app import create_app
create_app()
print(time.perf_counter() - began)
"""


def figures(repeat: int = 5) -> list[Figure]:
    seconds = [float(subprocess.check_output([sys.executable, "-c", PROGRAM], cwd=CODE)) for _ in range(repeat)]
    with served("webapp.wsgi:app", {}) as site, kept(site.port) as here:
        fresh = _megabytes(site.process.pid)
        for page in PAGES:
            here.request("GET", page)
            here.getresponse().read()
        used = _megabytes(site.process.pid)
    import_ = "a web process: import and create_app()"
    share = "its share (PSS)"
    return [
        Figure(import_, "s", seconds, target=Target("ours", "<=", 0.6), best="lowest"),
        Figure(
            f"a web process that has served nothing, {share}", "MB", [fresh["Pss"]], target=Target("ours", "<=", 90)
        ),
        Figure(f"a web process that has served pages, {share}", "MB", [used["Pss"]], target=Target("ours", "<=", 90)),
        Figure("a web process that has served pages, all it maps (RSS)", "MB", [used["Rss"]]),
    ]


def _megabytes(pid: int) -> dict[str, float]:
    """PSS divides what processes share among them; RSS counts it in full for each."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(value.split()[0]) * 1024 / 1e6 for name, _, value in (line.partition(":") for line in lines)}
