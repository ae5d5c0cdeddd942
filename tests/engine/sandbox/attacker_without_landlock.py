"""The attacker on a kernel that has no Landlock."""

from __future__ import annotations

from jobs.engine.sandbox import confined, landlock
from tests.engine.sandbox.attacker import work

if __name__ == "__main__":
    landlock.apply = lambda reads=(), folder=None, local_sockets=False: False
    confined.serve(work)
