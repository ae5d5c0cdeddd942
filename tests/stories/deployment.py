"""Legwork on several hosts, started by the lines that a deployment starts: nothing is shared but addresses.

One host has what a deployment brings of its own: Postgres with a password, Redis behind TLS that only our own authority
vouches for, a bucket, mail, a model. The others have an address, a name and a folder each.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from jobs.engine.embedded import postgres, redis, service
from tests import prepared_postgres
from tests.conftest import OURS
from tests.stories.app_process import CODE
from tests.stories.certificates import certify
from tests.stories.namespaces import Host, Program, Switch, start
from tests.stories.site_client import until

NAME = "legwork.test"  # what people call the site; each web has another address
SECRET = "not guessed: 8f2b1c0d7e6a4f59"  # of the database and the broker
BUCKET = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class Deployment:
    """`with Deployment(folder) as deployment`: the services run. `webs` and `workers`: what of ours does, by its host."""

    def __init__(self, folder: Path):
        self.switch = Switch(folder)
        self.folder = folder
        self.webs: dict[Host, Program] = {}
        self.workers: dict[Host, Program] = {}
        self._numbers = itertools.count(11)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Deployment:
        try:
            self._stack.enter_context(self.switch)
            self.services = self.switch.host("services", 1)
            self.environ = self._serve() | {
                "SECRET_KEY": os.urandom(32).hex(),
                "TRUSTED_HOSTS": NAME,
                "PORT": "8000",
                "MAIL_SENDERS": "workshop.example.org",
                "EXTRA_KINDS": "tests.sample_kinds",
                "LOG_FORMAT": "json",
                "PYTHONPATH": str(CODE),
            }
            return self
        except BaseException:
            self._stack.close()
            raise

    def __exit__(self, *_: object) -> None:
        for program in [*self.workers.values(), *self.webs.values()]:
            program.signal(signal.SIGTERM)
        with self._stack:
            for program in [*self.workers.values(), *self.webs.values()]:
                program.end()

    # Hosts of ours.

    def host(self, name: str) -> Host:
        return self.switch.host(name, next(self._numbers))

    def run(self, host: Host, line: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """A command of ours on a host, to its end."""
        command = host.alone(*shlex.split(line))
        return subprocess.run(
            command, input=said, env=self._environ_of(host), cwd=CODE, capture_output=True, text=True, timeout=120
        )

    def start_web(self, host: Host) -> None:
        self.webs[host] = self._start(host, _line("web"))

    def start_worker(self, host: Host) -> None:
        self.workers[host] = self._start(host, f"{_line('worker')} --processes 2")

    def _start(self, host: Host, line: str) -> Program:
        return start(host.alone(*shlex.split(line)), host.place / "log", self._environ_of(host))

    def _environ_of(self, host: Host) -> dict[str, str]:
        own = {"HOST": host.address, "DATA_DIR": str(host.place / "data"), "TMPDIR": str(host.place)}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {k: v for k, v in os.environ.items() if k not in OURS} | self.environ | own | {"PATH": programs}

    # What a deployment brings.

    def _serve(self) -> dict[str, str]:
        """Start all of it; the variables that say where it is."""
        at, folder = self.services.address, self.services.place
        authority = folder / "authority.pem"
        certify(at, folder / "redis.pem", authority)
        prepared_postgres.copy_to(folder)
        for each in (_Postgres(self.services), _Redis(folder)):
            each.launch()
            self._stack.callback(each.stop)
            each.wait_ready()
            if isinstance(each, _Postgres):
                each.execute(f"ALTER USER {postgres.USER} PASSWORD '{SECRET}'")
            else:
                socket = each.socket
        self._add("door", "tests.stories.tls_proxy", at, "6380", str(folder / "redis.pem"), str(socket))
        self._add("bucket", "moto.server", "-H", at, "-p", "9000")
        self._add("model", "tests.fake_provider", "--host", at, "--port", "8080")
        self._add("mail", "aiosmtpd", "-n", "-l", f"{at}:2525", "-c", "aiosmtpd.handlers.Mailbox", str(folder / "mail"))
        _wait_for("http", f"http://{at}:9000")
        urllib.request.urlopen(urllib.request.Request(f"http://{at}:9000/legwork", method="PUT"), timeout=10).close()
        secret = urllib.parse.quote(SECRET, safe="")
        endpoint = urllib.parse.quote(f"http://{at}:9000", safe="")
        return {
            "DATABASE_URL": f"postgresql://{postgres.USER}:{secret}@{at}:5432/{postgres.DATABASE}",
            "REDIS_URL": f"rediss://:{secret}@{at}:6380/0?ssl_ca_certs={authority}",
            "STORAGE_URL": f"s3://legwork/files?endpoint={endpoint}&region=us-east-1",
            "OPENAI_BASE_URL": f"http://{at}:8080/v1",
            "OPENAI_API_KEY": "key",
            "OPENAI_MODEL": "fake-small",
            "SMTP_URL": f"smtp://{at}:2525",
            **BUCKET,
        }

    def _add(self, name: str, module: str, *arguments: str) -> None:
        log = self.services.place / f"{name}.log"
        program = start(self.services.inside(sys.executable, "-m", module, *arguments), log, dict(os.environ))
        self._stack.callback(program.process.wait)
        self._stack.callback(program.process.kill)


class _Postgres(postgres.Postgres):
    """The bundled server, on an address of the services' host and with a password for whoever comes from elsewhere."""

    def __init__(self, host: Host):
        super().__init__(host.place)
        self.host = host

    def launch(self) -> None:
        self._create()
        with (self.home.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"\nhost all all {self.host.switch.network}.0/24 scram-sha-256\n")
        account = self.home.account
        assert account is not None
        user = [
            "setpriv",
            f"--reuid={account.uid}",
            f"--regid={account.gid}",
            "--clear-groups",
            "--pdeathsig=KILL",
            "--",
        ]
        command = (self.home.program("postgres"), "-D", self.home.data, "-k", f'"{self.home.sockets}"')
        options = postgres.OPTIONS | {"listen_addresses": self.host.address}
        self.process = service.spawn(
            self.host.inside(*user, *map(str, command), *(f"--{name}={value}" for name, value in options.items())),
            self.log_path,
            death_signal=signal.SIGKILL,
            environ=self.home.environ,
            cwd="/",
        )


class _Redis(redis.Redis):
    """The bundled server, on a socket, with a password."""

    def launch(self) -> None:
        folder = self.data_dir / "redis"
        folder.mkdir()
        options = ("--port", "0", "--unixsocket", str(self.socket), "--requirepass", SECRET, "--appendonly", "yes")
        self.process = service.spawn([redis.server(), *options], self.log_path, death_signal=signal.SIGKILL, cwd=folder)

    def ready(self) -> bool:
        return self.socket.exists()


def _line(name: str) -> str:
    """What the Procfile starts under this name."""
    return re.findall(rf"^{name}: (.*)$", (CODE / "Procfile").read_text(), re.M)[0]


def _wait_for(what: str, url: str) -> None:
    def answers() -> bool:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            return False
        return True

    until(answers, what)
