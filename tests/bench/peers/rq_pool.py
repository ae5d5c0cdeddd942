"""RQ's own pool of workers, with what their jobs import loaded before they fork, as RQ's documents advise.

python rq_pool.py WORKERS
"""

from __future__ import annotations

import os
import sys

import rq_prompts  # noqa: F401 - its children find it loaded
from redis import Redis
from rq.worker_pool import WorkerPool

if __name__ == "__main__":
    WorkerPool(["prompts"], connection=Redis.from_url(os.environ["REDIS_URL"]), num_workers=int(sys.argv[1])).start()
