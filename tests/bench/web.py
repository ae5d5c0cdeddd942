"""What a web process costs before the first request."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.bench.figures import Figure, Target
from tests.engine.workers import CODE

PROGRAM = """
import json, time
began = time.perf_counter()
import webapp
webapp.create_app()
seconds = time.perf_counter() - began
lines = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps([seconds, int(lines["VmRSS"].split()[0]) * 1024 / 1e6]))
"""


def figures(repeat: int = 5) -> list[Figure]:
    runs = [json.loads(subprocess.check_output([sys.executable, "-c", PROGRAM], cwd=CODE)) for _ in range(repeat)]
    seconds, megabytes = zip(*runs, strict=True)
    return [
        Figure("a web process: import and create_app()", "s", seconds, target=Target("ours", "<=", 0.6), best="lowest"),
        Figure("a web process: memory then", "MB", megabytes, target=Target("ours", "<=", 90), best="lowest"),
    ]
