"""Services for one machine, started from Python packages: Postgres, Redis and a small language model."""

from __future__ import annotations

from jobs.engine.embedded.discovery import environment, needed, remembered
from jobs.engine.embedded.model import missing_package
from jobs.engine.embedded.postgres import Postgres
from jobs.engine.embedded.procfile import Process, ProcfileSupervisor, read_procfile, with_programs
from jobs.engine.embedded.service import ServiceFailed, hold, make_data_dir, spawn, tail

__all__ = [
    "Postgres",
    "Process",
    "ProcfileSupervisor",
    "ServiceFailed",
    "environment",
    "hold",
    "make_data_dir",
    "missing_package",
    "needed",
    "read_procfile",
    "remembered",
    "spawn",
    "tail",
    "with_programs",
]
