"""The witness of naps: an HTTP server that writes down who asked for what, in the order in which it was asked."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise


@dataclass(frozen=True)
class Call:
    """One nap that was begun: its number, by which hold of the job, and when by this process's monotonic clock."""

    number: int
    lease: int
    at: float


class Sink:
    """Give `url` to naps as their witness; `calls` are by job."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Call]] = defaultdict(list)

    # What the calls of one job say.

    def overlaps(self, job: str) -> int:
        """Naps begun by a hold that a later one had followed already: two workers at once."""
        return sum(later.lease < earlier.lease for earlier, later in pairwise(self.calls[job]))

    def repeats(self, job: str) -> int:
        """The most naps that any one change of hands had done again."""
        by_lease: dict[int, set[int]] = defaultdict(set)
        for call in self.calls[job]:
            by_lease[call.lease].add(call.number)
        done: set[int] = set()
        worst = 0
        for lease in sorted(by_lease):
            worst = max(worst, len(done & by_lease[lease]))
            done |= by_lease[lease]
        return worst

    def twice(self, job: str) -> int:
        """Naps begun more than once."""
        numbers = [call.number for call in self.calls[job]]
        return len(numbers) - len(set(numbers))

    def gaps(self, job: str) -> list[float]:
        """Seconds without a nap at each change of hands."""
        return [later.at - earlier.at for earlier, later in pairwise(self.calls[job]) if later.lease > earlier.lease]


@contextmanager
def sink(host: str = "127.0.0.1") -> Iterator[tuple[str, Sink]]:
    """(address, witness) until the end of the block."""
    witness, lock = Sink(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, job, number = self.path.rsplit("/", 2)
            with lock:
                witness.calls[job].append(Call(int(number), int(self.headers["Lease"]), time.monotonic()))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not into the output."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """A client that was killed in the middle is what this is for."""

    server = Server((host, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{host}:{server.server_port}", witness
    finally:
        server.shutdown()
        server.server_close()
