"""`python enqueue.py huey_tasks 100 noop`: enqueue, and print when that began."""

from __future__ import annotations

import importlib
import sys
import time

if __name__ == "__main__":
    module, count, task = sys.argv[1:]
    enqueue = importlib.import_module(module).enqueue
    print(time.time())
    enqueue(int(count), task)
