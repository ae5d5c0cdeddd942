"""A thread that kills processes of the app at random, and remembers which."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.stories.app_process import App, Program
from tests.stories.site_client import Site

ALL = {"child": 6, "worker": 6, "both": 6, "clock": 1, "web": 1}  # how often each is hit, compared with the others


@dataclass
class Killer:
    """`kills` counts by victim: child, worker, both (a worker and its child at one moment), clock, web, frozen."""

    app: App
    chance: random.Random
    victims: Mapping[str, int] = field(default_factory=lambda: ALL)
    every: tuple[float, float] = (0.4, 1.0)  # seconds between two kills
    frozen_seconds: tuple[float, float] = (1.0, 12.0)  # of a victim that is frozen and woken again
    kills: Counter[str] = field(default_factory=Counter)
    may: Callable[[int], bool] = lambda worker: True  # whether the job of the worker with this id may be hit

    @property
    def total(self) -> int:
        return self.kills.total()

    @contextmanager
    def at_work(self) -> Iterator[Killer]:
        """Kills from now to the end of the block; what is frozen is woken then."""
        over = threading.Event()
        thread = threading.Thread(target=self._go_on, args=[over])
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    def _go_on(self, over: threading.Event) -> None:
        asleep: list[tuple[float, int]] = []
        while not over.wait(self.chance.uniform(*self.every)):
            self._strike(self._next(), asleep)
            asleep = _wake(asleep, lambda until: until < time.monotonic())
        _wake(asleep, lambda _: True)

    def _next(self) -> str:
        names, weights = zip(*self.victims.items(), strict=True)
        return str(self.chance.choices(names, weights)[0])

    def _strike(self, victim: str, asleep: list[tuple[float, int]]) -> None:
        pids = self._pids(victim)
        if not pids:
            return
        if victim == "frozen":
            until = time.monotonic() + self.chance.uniform(*self.frozen_seconds)
            asleep += [(until, pid) for pid in pids]
        if any([_signal(pid, signal.SIGSTOP if victim == "frozen" else signal.SIGKILL) for pid in pids]):
            self.kills[victim] += 1

    def _pids(self, victim: str) -> list[int]:
        found = self.app.processes()
        horses = [each for each in found if each.role == "horse"]
        if victim == "clock":
            return [each.pid for each in found if each.role == "clock"]
        if victim == "web":
            return self._one(serving(found))
        if victim == "worker":
            hit = self._one([each for each in found if each.role == "rq worker"])
            return hit if hit and self.may(hit[0]) else []
        if not horses:
            return []
        horse = self.chance.choice(horses)
        if not self.may(horse.parent):
            return []
        child, worker = [horse.pid], [horse.parent]
        if victim == "frozen":  # also only one of the two: neither must harm the other
            return self.chance.choice((child, worker, worker + child))
        return child if victim == "child" else worker + child

    def _one(self, found: list[Program]) -> list[int]:
        return [self.chance.choice(found).pid] if found else []


class Fair:
    """Spares a job that has finished nothing since it was hit: the third time in a row it would fail, as P11 says.

    Not the second either, since a job that is taken between this look and the kill is hit unseen.
    """

    def __init__(self, site: Site):
        self._site = site
        self._hits: Counter[tuple[str, int]] = Counter()  # by job and what it had finished

    def __call__(self, worker: int) -> bool:
        for job in self._site.jobs("&state=running"):
            if str(job["worker"]).rsplit("-", 2)[1:2] == [str(worker)]:  # host, process, tag
                self._hits[job["id"], job["progress"]["done"]] += 1
                return self._hits[job["id"], job["progress"]["done"]] == 1
        return True


def serving(found: list[Program]) -> list[Program]:
    """The web's processes without the one that is their parent."""
    web = [each for each in found if each.role == "web"]
    parents = {each.parent for each in web}
    return [each for each in web if each.pid not in parents]


def _signal(pid: int, number: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def _wake(asleep: list[tuple[float, int]], due: Callable[[float], bool]) -> list[tuple[float, int]]:
    """Wake those that are due; the others."""
    for until, pid in asleep:
        if due(until):
            _signal(pid, signal.SIGCONT)
    return [(until, pid) for until, pid in asleep if not due(until)]
