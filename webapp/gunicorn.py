"""How gunicorn serves the app. gevent: a slow reader or an open stream costs a greenlet, not a process."""

from __future__ import annotations

import logging
import subprocess
import sys

from jobs.engine import env_file, logs, sandbox, settings
from jobs.engine.errors import SettingsError

try:
    env_file.load_env_file()
    _chosen = settings.current()
    _chosen.require("database_url", "redis_url")
    _chosen.refuse_open_host()
except SettingsError as error:
    print(error, file=sys.stderr)
    raise SystemExit(2) from None
_host = f"[{_chosen.host}]" if ":" in _chosen.host else _chosen.host

bind = f"{_host}:{_chosen.port}"
workers = _chosen.web_concurrency
worker_class = "webapp.http.address_limit.Worker"  # gevent's, with a limit for each address
worker_connections = 1000
timeout = 60
graceful_timeout = 10  # open streams end then; their readers resume with the next process
keepalive = 5
limit_request_line = 8190  # bytes, the most there is: a question in Chinese takes nine for each character
control_socket_disable = True
forwarded_allow_ips = ""  # proxies.py believes those that TRUSTED_PROXIES names
accesslog = None
errorlog = "-"


def post_fork(server: object, worker: object) -> None:
    """Lines of ours and of gunicorn's own in one form."""
    logs.set_up(_chosen.log_format)
    for handler in logging.getLogger("gunicorn.error").handlers:
        handler.setFormatter(logs.formatter(_chosen.log_format))


def post_worker_init(worker: object) -> None:
    """What forms take to compute happens in helper processes, and files are read in children, a few at a time."""
    sandbox.limit_children()
    sandbox.begin_scratch()
    from jobs.engine import kinds  # not above: this file is read before gevent has patched the modules below

    kinds.start_form_processes()


def on_starting(server: object) -> None:
    """Say how to make the first account, where there is none and others reach the site. By another process: see above why."""
    sandbox.be_private(_chosen)
    command = [sys.executable, "-m", "webapp", "accounts", "check"]
    if not _chosen.this_machine_only and not _chosen.first_account:
        subprocess.run(command, check=False)


def worker_exit(server: object, worker: object) -> None:
    """Answers that this process still writes are kept and marked now, not found silent later."""
    from jobs.engine import chat

    chat.flush_answers()
