"""Several hosts on one machine: a network namespace each, with an address of its own on a switch of their own. Linux, root.

A program that runs in one has its own network, host name and process ids. A host that is cut off gets silence, not
refusals: its packets are lost on the way, and no connection is closed.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.engine.embedded import service

HERE = 254  # the last part of this process's own address on the switch


@dataclass(frozen=True)
class Host:
    """One namespace, plugged into the switch. `place`: the folder of its own."""

    switch: Switch
    name: str
    address: str
    place: Path

    @property
    def namespace(self) -> str:
        return f"{self.switch.name}-{self.name}"

    def inside(self, *command: str) -> list[str]:
        """The command as it is run here, seeing all processes of the machine."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *command]

    def alone(self, *command: str) -> list[str]:
        """The command as it is run here as the first process of a host with this name."""
        own = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
        named = ("sh", "-c", 'echo "$0" > /proc/sys/kernel/hostname; exec "$@"', self.name)
        return self.inside(*own, *named, *command)

    def cut(self) -> None:
        """From now on what it sends is lost, and what is sent to it."""
        self.switch.inside(f"link set dev {self.name} nomaster")

    def mend(self) -> None:
        self.switch.inside(f"link set dev {self.name} master switch")


@dataclass
class Program:
    """A program that was started on a host, and what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: signal.Signals) -> None:
        """To the first process of its own namespace, which is the child of what holds that open."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def end(self, seconds: float = 30.0) -> int:
        """SIGTERM, and its exit code; -9 where it did not leave in time and was killed."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        self.process.kill()
        return self.process.wait()

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Switch:
    """Hosts are plugged in by `host`. The end of the block removes them all."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.name = f"lw{os.getpid()}"
        self.hosts: list[Host] = []

    def __enter__(self) -> Switch:
        _remove_left_over()
        self.network = _free_network()
        try:
            _ip(f"netns add {self.name}")
            self.inside("link add switch type bridge")
            self.inside("link set switch up")
            # This process reaches the hosts, and they it.
            _ip(f"link add {self.name} type veth peer name outside netns {self.name}")
            _ip(f"addr add {self.address(HERE)}/24 dev {self.name}")
            _ip(f"link set {self.name} up")
            self.inside("link set dev outside master switch up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _try(f"link delete {self.name}")  # at once; the kernel removes what is in a namespace in its own time
        for name in [*(host.namespace for host in self.hosts), self.name]:
            _try(f"netns delete {name}")

    def address(self, number: int) -> str:
        return f"{self.network}.{number}"

    def host(self, name: str, number: int) -> Host:
        """A new host with this last part of an address. `name`: 15 characters at most."""
        host = Host(self, name, self.address(number), self.folder / name)
        host.place.mkdir(mode=0o755)
        self.hosts.append(host)
        _ip(f"netns add {host.namespace}")
        _ip(f"-n {host.namespace} link add eth0 type veth peer name {name} netns {self.name}")
        _ip(f"-n {host.namespace} addr add {host.address}/24 dev eth0")
        for device in ("lo", "eth0"):
            _ip(f"-n {host.namespace} link set {device} up")
        self.inside(f"link set dev {name} master switch up")
        return host

    def inside(self, command: str) -> None:
        _ip(f"-n {self.name} {command}")


def start(command: Sequence[str], log: Path, environ: dict[str, str]) -> Program:
    """Start a command of `Host.inside` or `Host.alone`; it is killed when this process dies."""
    code = Path(__file__).parents[2]
    return Program(service.spawn(command, log, death_signal=signal.SIGKILL, environ=environ, cwd=code), log)


def require() -> None:
    """Skip where this machine does not let its user make namespaces; in CI the tools must be there."""
    if not all(map(shutil.which, ("ip", "nsenter", "unshare"))):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Several hosts take iproute2 and util-linux.")
    if os.getuid() != 0:
        pytest.skip("Several hosts on one machine take root.")
    try:
        with Switch(Path()) as switch:
            subprocess.run(Host(switch, "x", "", Path()).alone("true")[2:], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"The kernel lets nobody make namespaces here: {error.stderr!r}")


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True, capture_output=True)


def _try(command: str) -> None:
    with suppress(subprocess.CalledProcessError):
        _ip(command)


def _free_network() -> str:
    """The first three parts of a network that is set aside for tests and not in use here."""
    used = subprocess.run(["ip", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    return random.choice([net for net in (f"198.18.{part}" for part in range(256)) if f"{net}." not in used])


def _remove_left_over() -> None:
    """What a run left behind that was killed."""
    for name in Path("/run/netns").glob("lw*"):
        found = re.match(r"lw(\d+)", name.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            _try(f"netns delete {name.name}")
