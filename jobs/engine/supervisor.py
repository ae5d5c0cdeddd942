"""`python -m jobs worker`: one program that keeps N RQ workers and a clock running.

It imports what its queues' kinds need once, before it forks, so that the workers and their children share that memory and
start at once. It restarts what dies, reports its workers to the database, and passes a shutdown on.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from jobs.engine import catalogue, database, delivery, presence, worker
from jobs.engine.errors import BrokerAway, DatabaseAway
from jobs.engine.lifeline import die_with_parent

BEAT_SECONDS = 2
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 12  # for workers at a shutdown: more than a worker gives its child
RESTART_SECONDS = 1.0  # between starts of a slot that dies at once

log = logging.getLogger("legwork.supervisor")


@dataclass
class Slot:
    """One RQ worker process, kept running."""

    number: int
    pid: int = 0
    name: str = ""
    started: float = 0.0


class Supervisor:
    def __init__(self, queues: list[str], processes: int, clock: bool = True):
        self.queues = queues
        self.slots = [Slot(number) for number in range(1, processes + 1)]
        self.with_clock = clock
        self.clock: subprocess.Popen[bytes] | None = None
        self.leaving = False
        self._beaten = 0.0

    def run(self) -> None:
        """Until SIGTERM or SIGINT; returns when every worker has left."""
        signal.signal(signal.SIGTERM, self._leave)
        signal.signal(signal.SIGINT, self._leave)
        preload(self.queues)
        _warn_of_broker()
        while not self.leaving:
            self._keep_running()
            self._report()
            time.sleep(LOOK_SECONDS)
        self._shut_down()

    def _leave(self, *_: object) -> None:
        self.leaving = True

    def _keep_running(self) -> None:
        self._reap()
        for slot in self.slots:
            if not slot.pid and time.monotonic() - slot.started > RESTART_SECONDS and not self.leaving:
                self._start(slot)
        if self.with_clock and (self.clock is None or self.clock.poll() is not None):
            # Started fresh, not forked: it must hold none of our sockets, and a clock of its own version after a deploy.
            command = [sys.executable, "-m", "jobs", "clock", "--child-of", str(os.getpid())]
            self.clock = subprocess.Popen(command)

    def _start(self, slot: Slot) -> None:
        slot.started = time.monotonic()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        slot.pid = os.fork()
        slot.name = worker_name(slot.pid or os.getpid())
        if slot.pid == 0:
            _be_worker(parent, self.queues, slot.name)

    def _reap(self) -> None:
        for slot in self.slots:
            if slot.pid and os.waitpid(slot.pid, os.WNOHANG)[0]:
                log.info("worker %s has left", slot.name) if self.leaving else log.warning(
                    "worker %s is gone", slot.name
                )
                slot.pid = 0

    def _report(self) -> None:
        if time.monotonic() - self._beaten < BEAT_SECONDS:
            return
        self._beaten = time.monotonic()
        running = {slot.name: slot.pid for slot in self.slots if slot.pid}
        try:
            with database.session(database.unpooled()) as session:
                presence.report(session, socket.gethostname(), self.queues, running)
        except DatabaseAway as error:
            log.warning("no report: %s", error)

    def _shut_down(self) -> None:
        log.info("leaving: telling %d workers", len(self.slots))
        names = [slot.name for slot in self.slots]
        if self.clock is not None:
            self.clock.terminate()
        for slot in self.slots:
            _signal(slot.pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(slot.pid for slot in self.slots) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)
        for slot in self.slots:
            _signal(slot.pid, signal.SIGKILL)
        if self.clock is not None:
            self.clock.wait()
        try:
            with database.session(database.unpooled()) as session:
                presence.leave(session, names)
        except DatabaseAway:
            log.warning("could not say goodbye: the database does not answer")


def _warn_of_broker() -> None:
    try:
        if complaint := delivery.complaint():
            log.warning(complaint)
    except BrokerAway as error:
        log.warning("%s The workers start when it is back.", error)
    delivery.broker().close()  # no connection may exist at a fork


def worker_name(pid: int) -> str:
    return f"{socket.gethostname()}-{pid}"


def preload(queues: list[str]) -> None:
    """Import what the kinds of these queues need, then freeze it, so that forks share the memory."""
    for kind in catalogue.kinds(hidden=True):
        if kind.available and kind.queue in queues:
            for need in kind.needs:
                importlib.import_module(need)
    gc.collect()
    gc.freeze()


def _be_worker(supervisor: int, queues: list[str], name: str) -> None:
    """In the fork: work, and never return into the supervisor's code."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die_with_parent(supervisor, signal.SIGTERM)
        worker.work(queues, name)
        status = 0
    except BaseException as error:
        log.error("worker %s could not go on: %s: %s", name, type(error).__name__, error)
    finally:
        os._exit(status)


def _signal(pid: int, number: signal.Signals) -> None:
    if pid:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
