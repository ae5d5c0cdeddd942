"""What others answer a page that asks how a job is doing: a bare route over RQ's own job, and rq-dashboard's JSON of it.

REDIS_URL=… gunicorn --config python:webapp.gunicorn tests.bench.peers.rq_status:app
"""

from __future__ import annotations

import os
from typing import Any

import rq_dashboard
from flask import Flask
from redis import Redis
from rq.job import Job
from rq.serializers import JSONSerializer

app = Flask(__name__)
app.config["RQ_DASHBOARD_REDIS_URL"] = (os.environ["REDIS_URL"],)
rq_dashboard.web.setup_rq_connection(app)
app.register_blueprint(rq_dashboard.blueprint, url_prefix="/rq")
broker = Redis.from_url(os.environ["REDIS_URL"])


@app.get("/healthz")
def health() -> str:
    return "ok"


@app.get("/job/<job_id>")
def job(job_id: str) -> dict[str, Any]:
    found = Job.fetch(job_id, connection=broker, serializer=JSONSerializer)
    return {"id": found.id, "status": found.get_status(refresh=False), "meta": found.meta}
