"""`python starts.py huey_tasks`: for each line that comes in, one job from just before it is enqueued to its start, in ms.

The module's `start` enqueues a job that returns the time, waits for its result and gives it.
"""

from __future__ import annotations

import importlib
import sys
import time

if __name__ == "__main__":
    start = importlib.import_module(sys.argv[1]).start
    for _ in sys.stdin:
        began = time.time()
        print(1000 * (start() - began), flush=True)
