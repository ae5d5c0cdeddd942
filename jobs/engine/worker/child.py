"""The worker's child process: forked before a job comes, given one job after another over a pipe, ended with all it started.

    child = Child(serve)                 # in the parent
    child.give(task)
    child.wait(seconds)                  # True when there is something to receive
    child.receive()                      # TAKEN, ENDING, then STAYS, LEAVES or BACK; or DIED

A job of a kind with REUSE_PROCESS may be followed by others of such kinds; any other job is the first and last of its process.
So is a job that ended badly or left something behind, whatever its kind.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import random
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from jobs.engine import logs, sentry, tracing
from jobs.engine.db import postgres
from jobs.engine.errors import DatabaseUnavailable
from jobs.engine.queue.ledger import Claim
from jobs.engine.sandbox.parent_death import call_process, die_with_parent
from jobs.engine.sandbox.scratch import Scratch
from jobs.engine.worker import leak_check, memory, outcome_writer
from jobs.engine.worker.run import GIVEN_BACK, HELPED, Run

MOST_JOBS = 500  # of one process
IDLE_SECONDS = 5  # before an idle child closes its connections to Postgres
SEND_SECONDS = 3  # for a child to read a task that is larger than the pipe's buffer
LEAVE_SECONDS = 1.0  # for a child without a task to exit by itself
GOOD_ENDS = ("succeeded", "partial", HELPED)
IDLE, BUSY = "legwork-idle", "legwork-job"  # names of the process
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

# What the child sends of each task. DIED is not sent: it is what receive() returns once there is nothing more to come.
TAKEN = "taken"  # the attempt begins
ENDING = "ending"  # the kind's work is done and only the row has to be settled; for jobs after which the child may stay
STAYS = "stays"  # the row is settled, and the child takes another task
BACK = "back"  # SIGTERM ended the run, the row is not settled, and this is the child's last act
LEAVES = "leaves"  # the row is settled, and this is the child's last act
DIED = "died"

log = logging.getLogger("legwork.worker")

_FORK = multiprocessing.get_context("fork")
_current: Run | None = None  # of this process


@dataclass(frozen=True)
class Task:
    """A claimed job, and its message in Redis with the fields of its hash."""

    claim: Claim
    reuse: bool  # others may come after it in the same process
    message_id: str
    message: dict[str, bytes]


RecordEnd = Callable[[Task, str], None]  # writes the state a task ended in to RQ's records


class Child:
    """The parent's end, and the process. It leads a process group, which is ended as a whole."""

    def __init__(self, serve: Callable[[Connection], None]):
        self.fresh = True  # no task was sent to it yet
        self.taken = False  # it has begun the task that was sent last
        self._doomed = False
        self._scratch = Scratch()
        self._pipe, theirs = _FORK.Pipe()
        _limit_sends(self._pipe)
        self._process = _FORK.Process(target=_be_child, args=(serve, theirs, self._pipe, self._scratch))
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the child has handlers of its own
        self._process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        theirs.close()
        self._pid = self._process.pid or 0
        with suppress(OSError):  # both processes set it, so that it is set whichever runs first
            os.setpgid(self._pid, self._pid)

    @property
    def alive(self) -> bool:
        """Whether it may be given a task. It may be dying all the same: only TAKEN says that a task has begun."""
        return not self._doomed and self._process.is_alive()

    @property
    def memory(self) -> int:
        """Bytes that the child and all it started take now."""
        return memory.used_by_tree(self._pid)

    def give(self, task: object) -> None:
        """Send a task. A child that does not read it is killed, which wait() and receive() then tell."""
        self.fresh = self.taken = False
        try:
            self._pipe.send(task)
        except OSError:
            self.signal(signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to receive. Nothing is read, so an exception out of a signal handler loses nothing.

        Call it with a limit: a signal that arrives just before the system call does not interrupt it. The process is asked
        for as well, because what it has forked may hold its ends of the pipes open.
        """
        return bool(wait([self._pipe, self._process.sentinel], seconds)) or not self._process.is_alive()

    def receive(self) -> str:
        """What the child sent next; DIED, and then it is dead, where it will send no more."""
        with suppress(EOFError, OSError):
            if self._pipe.poll():
                word: str = self._pipe.recv()
                self.taken, self._doomed = True, self._doomed or word in (LEAVES, BACK)
                return word
        self.signal(signal.SIGKILL)
        self._process.join()
        return DIED

    def signal(self, number: int) -> None:
        """Send a signal to the child and all it has started. After a SIGKILL it is given nothing any more."""
        self._doomed = self._doomed or number == signal.SIGKILL
        with suppress(ProcessLookupError):
            os.killpg(self._pid, number)

    def close(self) -> None:
        """End the child and all it has started. One that waits for a task exits by itself, within LEAVE_SECONDS."""
        self._pipe.close()
        if not self._doomed:
            self._process.join(LEAVE_SECONDS)
        self.signal(signal.SIGKILL)
        self._process.join()
        self._process.close()
        self._scratch.remove()


def _limit_sends(pipe: Connection) -> None:
    """Have a send that a stopped child does not read raise OSError after SEND_SECONDS: the parent has a lease to renew."""
    with socket.socket(fileno=os.dup(pipe.fileno())) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))


def _be_child(serve: Callable[[Connection], None], pipe: Connection, parents: Connection, scratch: Scratch) -> None:
    """In the fork: serve, and exit without the parent's exit handlers and without waiting for threads."""
    status = 1
    try:
        parents.close()
        scratch.use()
        with suppress(OSError):
            os.setpgid(0, 0)
        serve(pipe)
        status = 0
    except BaseException as error:
        log.exception("a worker's child could not go on: %s", error)
    finally:
        os._exit(status)


def serve(pipe: Connection, parent: int, record_end: RecordEnd) -> None:
    """In the child: run the tasks that come, until the parent sends no more or this process may not be used again."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _current.shut_down() if _current else None)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    memory.limit_this_process()
    sentry.begin("worker")
    outcome_writer.start_threads()
    postgres.keep_none_if_few()
    connect()
    before = leak_check.snapshot()
    for number in itertools.count(1):
        call_process(IDLE)
        if not pipe.poll(IDLE_SECONDS):
            postgres.engine().dispose()
        try:
            task: Task = pipe.recv()
        except EOFError:
            return
        pipe.send(TAKEN)
        call_process(BUSY)
        end = _run(pipe, task, before, task.reuse and number < MOST_JOBS, record_end)
        if end != STAYS:
            pipe.send(end)
            return


def connect() -> None:
    """Open a connection before it is needed. One that is open at a fork stays the parent's: a child forgets it."""
    with suppress(DatabaseUnavailable), postgres.autocommit():
        return


def _run(pipe: Connection, task: Task, before: leak_check.ProcessState, may_stay: bool, record_end: RecordEnd) -> str:
    """Run a job and settle its row. Returns STAYS, which the parent knows by then, LEAVES or BACK."""
    global _current
    claim = task.claim
    logs.hold(claim.job_id)
    random.seed()
    run = _current = Run(claim)
    span = tracing.attempt(claim.job_id, claim.kind, claim.attempt)
    try:
        if run.work() and may_stay:
            pipe.send(ENDING)
        state = run.settle()
        log.info("job %s: %s", claim.job_id, state)
        stays = may_stay and state in GOOD_ENDS and not _left_behind(claim, before)
        if stays:  # sent before RQ's records are written: the parent claims the next job meanwhile
            _flush()
            pipe.send(STAYS)
        record_end(task, state)
    finally:
        _current = None
        if span is not None:  # sent now: the process may be ended as soon as the job has
            span.end({"legwork.state": run.state}, failed=run.state == "failed")
            tracing.send([span])
        logs.hold()
    return STAYS if stays else BACK if run.state == GIVEN_BACK else LEAVES


def _left_behind(claim: Claim, before: leak_check.ProcessState) -> bool:
    left = before.left()
    if left:
        log.info("job %s left its process with other %s: it is not used again", claim.job_id, ", ".join(left))
    return bool(left)


def _flush() -> None:
    """Write out what the job printed: the process may be killed as soon as the parent knows that the row is settled."""
    sys.stdout.flush()
    sys.stderr.flush()
