"""`python -m jobs worker`: a program that keeps RQ workers and a clock running.

It imports what the kinds of its queues need once, before it forks, so that workers, their children and the clock share that
memory and start at once. It restarts what dies, reports its workers to the database, and passes a shutdown on.

Between `--min` and `--max` it keeps as many workers as capacity.py asks for. Only idle workers are stopped, by SIGUSR1, on which a
worker finishes a job it may have begun meanwhile. Operators can stop single workers (worker_registry). SIGUSR1 to this program
stops all of them in that way, and ends it after the last job.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from jobs import __version__
from jobs.engine import sentry
from jobs.engine.db import failures, postgres, redis
from jobs.engine.errors import BrokerUnavailable, DatabaseUnavailable
from jobs.engine.files.storage_id import storage_id
from jobs.engine.kinds import catalogue
from jobs.engine.queue import capacity, delivery, ledger, queries, worker_registry
from jobs.engine.queue.worker_registry import Seen
from jobs.engine.sandbox.confined import CHILDREN_ONLY
from jobs.engine.sandbox.parent_death import call_process, die_with_parent
from jobs.engine.worker import memory as worker_memory
from jobs.engine.worker import rq_worker
from jobs.engine.worker.autoscaler import Scale
from jobs.engine.worker.clock import Clock

BEAT_SECONDS = 2
MOST_WORKERS = 64  # of one program, where operators ask for more
NEED_SECONDS = 1  # between checks how many workers are needed
MEASURE_SECONDS = 10  # between measurements of their memory
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 12  # for workers to end at a shutdown: more than a worker gives its child
RESTART_SECONDS = 1.0  # between starts of a slot that dies at once; twice as long each time it could not go on,
MOST_RESTART_SECONDS = 30.0  # up to this,
LASTED_SECONDS = 30.0  # and from the beginning again once it has run for so long
WORKER, CLOCK = "legwork-worker", "legwork-clock"  # names of the processes
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

log = logging.getLogger("legwork.supervisor")


@dataclass
class Slot:
    """A process, RQ worker or clock, that is kept running until it is told to leave."""

    pid: int = 0
    name: str = ""
    started: float = 0.0
    memory: int | None = None
    told: signal.Signals | None = None  # how it was told to leave
    failures: int = 0  # in a row: how often it ended by itself, because it could not go on

    def note_end(self, status: int) -> None:
        failed = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
        if time.monotonic() - self.started > LASTED_SECONDS or not failed:
            self.failures = 0
        self.failures += failed

    @property
    def pause(self) -> float:
        """Seconds between its last start and the next."""
        return min(RESTART_SECONDS * 2.0 ** max(self.failures - 1, 0), MOST_RESTART_SECONDS)


class Supervisor:
    def __init__(self, queues: list[str], scale: Scale, target_seconds: float, clock: bool = True):
        self.queues = queues
        self.scale = scale
        self.target_seconds = target_seconds
        self.slots = [Slot() for _ in range(scale.least)]
        self.with_clock = clock
        self.clock = Slot()
        self.leaving = self.finishing = False
        self.tag = uuid4().hex[:8]
        self.program = f"{socket.gethostname()}-{os.getpid()}-{self.tag}"
        self._beaten = self._looked = self._measured = 0.0

    def run(self) -> None:
        """Until SIGTERM or SIGINT, or SIGUSR1 and the end of running jobs; returns when every worker has left."""
        for number in SIGNALS:
            signal.signal(number, self._finish if number == signal.SIGUSR1 else self._leave)
        preload(self.queues)
        _warn_of_broker()
        while not self.leaving and not (self.finishing and not self.slots):
            self._keep_running()
            self._resize()
            self._report()
            time.sleep(LOOK_SECONDS)
        self._shut_down()

    def _leave(self, *_: object) -> None:
        self.leaving = True

    def _finish(self, *_: object) -> None:
        self.finishing = True

    def _keep_running(self) -> None:
        if self.finishing:
            for slot in self.slots:
                _tell(slot, signal.SIGUSR1)
        self._reap()
        for slot in self.slots:
            if _may_start(slot) and not self.leaving:
                self._start(slot)
        if self.with_clock and _may_start(self.clock) and not self.leaving:
            _fork(self.clock, CLOCK, lambda: Clock().run())

    def _start(self, slot: Slot) -> None:
        _fork(slot, WORKER, lambda: rq_worker.work(self.queues, worker_name(os.getpid(), self.tag)))
        slot.name = worker_name(slot.pid, self.tag)

    def _reap(self) -> None:
        if _has_ended(self.clock):
            log.log(logging.INFO if self.leaving else logging.WARNING, "clock %d is gone", self.clock.pid)
            self.clock.pid = 0
        dead = []
        for slot in self.slots:
            if _has_ended(slot):
                expected = self.leaving or slot.told is not None
                log.log(
                    logging.INFO if expected else logging.WARNING,
                    "worker %s %s",
                    slot.name,
                    "has left" if expected else "is gone",
                )
                dead += [] if expected else [slot.name]
                slot.pid = 0
        gone = [slot for slot in self.slots if slot.told is not None and not slot.pid]
        self.slots = [slot for slot in self.slots if slot not in gone]
        _report_end([slot.name for slot in gone if slot.name])
        _free(dead)

    # Scaling.

    def _resize(self) -> None:
        if not self.scale.elastic or self.finishing or time.monotonic() - self._looked < NEED_SECONDS:
            return
        self._looked = time.monotonic()
        there = [slot for slot in self.slots if slot.told is None]
        try:
            with postgres.session(postgres.unpooled_engine()) as session:
                need = capacity.needed(capacity.loads(session, self.queues), self.target_seconds)
                share = need.share(worker_registry.programs(session, self.queues))
                busy = worker_registry.holding(session, [slot.name for slot in there])
        except DatabaseUnavailable as error:
            log.warning("no look at what is needed: %s", error)
            return
        wanted = self.scale.wanted(share, len(there), time.monotonic())
        idle = [slot for slot in there if slot.name not in busy]
        if wanted > len(there):
            room = self.scale.most - len(self.slots)  # those that are still finishing count
            self._change(len(there), there + self._add(min(wanted - len(there), room)), need.reason)
        elif wanted < len(there):
            gone = idle[wanted - len(there) :]
            for slot in gone:
                _tell(slot, signal.SIGUSR1)
            self._change(len(there), [slot for slot in there if slot not in gone], need.reason)

    def _add(self, count: int) -> list[Slot]:
        new = [Slot() for _ in range(count)]
        self.slots += new
        for slot in new:
            self._start(slot)
        return new

    def _change(self, before: int, now: list[Slot], reason: str) -> None:
        if len(now) != before:
            log.info("%d workers instead of %d. %s", len(now), before, reason)

    # Reports to the database, and orders from it.

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._beaten < BEAT_SECONDS:
            return
        self._beaten = now
        if now - self._measured > MEASURE_SECONDS:
            self._measured = now
            for slot in self.slots:
                slot.memory = worker_memory.memory_of_tree(slot.pid) if slot.pid else None
        seen = [Seen(slot.name, slot.pid, slot.memory) for slot in self.slots if slot.pid]
        try:
            with postgres.session(postgres.unpooled_engine()) as session:
                asked = worker_registry.report(
                    session, self.program, socket.gethostname(), self.queues, __version__, seen, storage_id()
                )
        except DatabaseUnavailable as error:
            log.warning("no report: %s", error)
            return
        for slot in list(self.slots):
            self._obey(slot, asked.get(slot.name))

    def _obey(self, slot: Slot, asked: str | None) -> None:
        """Stop a worker as an operator asked; it is not replaced until this program is started again."""
        if asked == worker_registry.ANOTHER:
            self._admit()
            return
        number = {"finish": signal.SIGUSR1, "stop": signal.SIGTERM}.get(asked or "")
        if number is None or slot.told in (number, signal.SIGTERM):
            return
        if slot.told is None:
            self.scale.dismiss()
        log.info("worker %s was asked to %s and is not replaced", slot.name, asked)
        _tell(slot, number)

    def _admit(self) -> None:
        """Start one worker more, as an operator asked; it stays until this program is started again."""
        if self.leaving or self.finishing or len(self.slots) >= MOST_WORKERS:
            log.warning("another worker was asked for, but this program leaves or has %d", len(self.slots))
            return
        self.scale.admit()
        self._add(1)
        log.info("%d workers: an operator asked for another", len(self.slots))

    def _shut_down(self) -> None:
        self.leaving = True
        log.info("leaving: telling %d workers", len(self.slots))
        names = [slot.name for slot in self.slots]
        for slot in [self.clock, *self.slots]:
            _signal(slot.pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(slot.pid for slot in [self.clock, *self.slots]) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)
        for slot in [self.clock, *self.slots]:
            _signal(slot.pid, signal.SIGKILL)
        _report_end(names)


def _free(dead: list[str]) -> None:
    """Free the jobs of dead workers and deliver them: their children died with them, and the clock may be dead too."""
    if not dead:
        return
    try:
        with postgres.session(postgres.unpooled_engine()) as session:
            freed = set(ledger.recover_dead(session.connection(), dead))
            ledger.recover_helpers(session.connection(), dead)
        if freed:
            log.warning("freed the jobs of dead workers: %s", ", ".join(map(str, freed)))
            _deliver_again(freed)
    except (DatabaseUnavailable, BrokerUnavailable) as error:
        log.warning("the jobs of dead workers are left to the clock: %s", error)


def _deliver_again(freed: set[UUID]) -> None:
    try:
        with postgres.session(postgres.unpooled_engine()) as session:
            due = queries.undelivered(session, only=freed)
            delivery.deliver(due)
            ledger.mark_delivered(session.connection(), [job.id for job in due])
    finally:
        redis.broker().close()  # no connection may exist at a fork


def _report_end(names: list[str]) -> None:
    if not names:
        return
    try:
        with postgres.session(postgres.unpooled_engine()) as session:
            worker_registry.leave(session, names)
    except DatabaseUnavailable:
        log.warning("could not report the end of workers: the database does not answer")


def _warn_of_broker() -> None:
    try:
        if complaint := delivery.broker_problem():
            log.warning(complaint)
    except BrokerUnavailable as error:
        log.warning("%s The workers start when it is back.", failures.why(error) or error)
    redis.broker().close()  # no connection may exist at a fork


def worker_name(pid: int, tag: str) -> str:
    """A name that only one process has: hosts may share a name, and containers number processes from one."""
    return f"{socket.gethostname()}-{pid}-{tag[:4]}"


def preload(queues: list[str]) -> None:
    """Import what the kinds of these queues need, then freeze the garbage collector, so that forks share the memory."""
    for kind in catalogue.kinds(hidden=True):
        if kind.available and kind.queue in queues:
            for need in kind.needs:
                if need.partition(".")[0] not in CHILDREN_ONLY:
                    importlib.import_module(need)
    sentry.load()
    gc.collect()
    gc.freeze()


def _may_start(slot: Slot) -> bool:
    return not slot.pid and time.monotonic() - slot.started > slot.pause


def _has_ended(slot: Slot) -> bool:
    ended, status = os.waitpid(slot.pid, os.WNOHANG) if slot.pid else (0, 0)
    if ended:
        slot.note_end(status)
    return bool(ended)


def _fork(slot: Slot, called: str, work: Callable[[], object]) -> None:
    """Fork a process of that name to do the work. It shares what was imported, and no connection: none is open here."""
    slot.started = time.monotonic()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a signal to the child here would be lost
    slot.pid = os.fork()
    if slot.pid == 0:
        _be_child(parent, called, work)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _be_child(supervisor: int, called: str, work: Callable[[], object]) -> None:
    """In the fork: work, and never return into the supervisor's code."""
    status = 1
    try:
        call_process(called)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        die_with_parent(supervisor, signal.SIGTERM)
        work()
        status = 0
    except BaseException as error:
        reason = failures.why(error) or f"{type(error).__name__}: {error}"
        log.error("%s %d could not go on: %s", called, os.getpid(), reason)
    finally:
        os._exit(status)


def _tell(slot: Slot, number: signal.Signals) -> None:
    """Tell a worker to leave: by SIGUSR1 after its current job, by SIGTERM giving the job back."""
    if slot.told not in (number, signal.SIGTERM):
        slot.told = number
        _signal(slot.pid, number)


def _signal(pid: int, number: signal.Signals) -> None:
    if pid:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
