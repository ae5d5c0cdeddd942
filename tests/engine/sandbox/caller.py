"""A child that tries to reach out, started as every confined child is."""

from __future__ import annotations

import inspect
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from jobs.engine.sandbox import confined


def work(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What came of calling a port and a socket of this machine: by itself, and by a program that it starts."""
    port, path = request["port"], request["path"]
    program = [sys.executable, "-c", AGAIN, str(port), path]
    started = subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip()
    return {"itself": called(port, path), "started": started, "environment": sorted(os.environ)}


def called(port: int, path: str) -> str:
    """Each way with what came of it."""
    ways = {
        "IPv4": (socket.AF_INET, ("127.0.0.1", port)),
        "IPv6": (socket.AF_INET6, ("::ffff:127.0.0.1", port)),
        "Unix": (socket.AF_UNIX, path),
    }
    return ", ".join(f"{name} {_tried(family, address)}" for name, (family, address) in ways.items())


def _tried(family: int, address: Any) -> str:
    try:
        with socket.socket(family) as opened:
            opened.connect(address)
    except OSError as error:
        return type(error).__name__
    return "reached"


# Read before this process is confined: after that it has only the libraries.
AGAIN = "\n".join(
    [
        "from __future__ import annotations",
        "import socket, sys",
        *map(inspect.getsource, (called, _tried)),
        "print(called(int(sys.argv[1]), sys.argv[2]))",
    ]
)

if __name__ == "__main__":
    confined.serve(work)
