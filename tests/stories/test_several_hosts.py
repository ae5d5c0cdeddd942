"""Two webs and three workers, each on a host of its own that shares no disk with any other."""

from __future__ import annotations

import itertools
import json
import os
import pkgutil
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

import jobs
from tests.chaos.sink import Sink, sink
from tests.conftest import _open_folder
from tests.stories.balancer import Balanced
from tests.stories.deployment import NAME, Deployment
from tests.stories.namespaces import HERE, Host, require
from tests.stories.site_client import until

PASSWORD = "four plain words here"
AGAIN_SECONDS = 60.0  # generous, for a machine that does much else; it is printed how long it took


class House:
    """The hosts by their names, a client of them all, and a witness of naps that all can reach."""

    def __init__(self, deployment: Deployment, address: str, witness: Sink):
        self.deployment = deployment
        self.webs = [deployment.host(f"web{number}") for number in (1, 2)]
        self.workers = [deployment.host(f"work{number}") for number in (1, 2, 3)]
        self.address, self.witness = address, witness

    def open(self) -> None:
        first, second = self.webs
        done = self.deployment.run(first, "python -m jobs migrate")
        assert done.returncode == 0, done.stderr
        added = self.deployment.run(second, "python -m webapp accounts add anna --role admin", PASSWORD)
        assert added.returncode == 0, added.stderr
        for host in self.webs:
            self.deployment.start_web(host)
        for host in self.workers:
            self.deployment.start_worker(host)
        self.site = self.balanced()
        for host in self.webs:
            self.ready(host)
        self.site.sign_in("anna", PASSWORD)
        until(lambda: len(self.serving()) == len(self.workers), "all workers")

    def balanced(self, *hosts: Host) -> Balanced:
        return Balanced(NAME, [f"http://{host.address}:8000" for host in hosts or self.webs])

    def ready(self, host: Host) -> None:
        def answers() -> bool:
            try:
                return self.balanced(host).send("GET", "/readyz").status == 200
            except OSError:
                return False

        until(answers, f"{host.name}: {self.said(host)}")

    def serving(self) -> Counter[str]:
        """How many workers each host has, as operators see it."""
        told = self.site.api("/operations")["workers"]
        return Counter(worker["host"] for worker in told)

    def ticking(self) -> Host | None:
        """The host whose clock is the elected one."""
        (clock,) = [part for part in self.site.api("/operations")["parts"] if part["name"] == "Clock"]
        return next((host for host in self.workers if clock["detail"].startswith(f"On {host.name},")), None)

    def nap_on(self, host: Host, naps: int, seconds: float) -> str:
        """A job of naps that runs on this host; those that ran elsewhere are stopped."""
        job = self.nap(naps, seconds)
        until(lambda: self.site.job(job)["worker"], "a worker that takes the job")
        if self.host_of(job) == host.name:
            return job
        self.site.tell(job, "cancel")
        return self.nap_on(host, naps, seconds)

    def nap(self, naps: int, seconds: float) -> str:
        return self.site.submit("nap", naps=naps, seconds=seconds, witness=self.address)

    def host_of(self, job: str) -> str:
        """The host that a job runs or ran on."""
        return str(self.site.job(job)["worker"] or "").split("-")[0]

    def said(self, host: Host) -> str:
        return (host.place / "log").read_text(errors="replace")

    def record(self, job: str) -> dict[str, Any]:
        """All that is written of a job."""
        log = self.site.api(f"/jobs/{job}/log?limit=1000")
        return {"job": self.site.job(job), "items": self.site.items(job), "log": log}


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    require()
    with (
        _open_folder() as folder,
        Deployment(folder) as deployment,
        sink(deployment.switch.address(HERE)) as (address, witness),
    ):
        house = House(deployment, address, witness)
        house.open()
        yield house


def test_every_kind_runs_with_nothing_shared_but_addresses(house: House) -> None:
    """All at once, and what came of them is there whichever web is asked."""
    site = house.site
    ours = {one.name for one in pkgutil.iter_modules(jobs.__path__)} & {
        kind["name"] for kind in site.api("/kinds")["kinds"]
    }
    assert len(ours) >= 16
    started = {name: site.submit(name, **site.api(f"/kinds/{name}")["example"]) for name in sorted(ours)}
    ended = {name: site.ended(job, 240) for name, job in started.items()}
    assert {name: job["message"] for name, job in ended.items() if job["state"] != "succeeded"} == {}
    assert {house.host_of(job) for job in started.values()} == {host.name for host in house.workers}
    files = [file for job in ended.values() for file in job["files"]]
    assert files
    for file, _ in itertools.product(files, house.webs):
        assert len(site.get(file["url"]).body) == file["bytes"]
    places = [host.place / "data" for host in (*house.webs, *house.workers)]
    assert [path for place in places for path in place.rglob("*") if path.is_file()] == []


def test_what_one_web_takes_the_other_gives(house: House) -> None:
    data = os.urandom(300_000)
    for _ in house.webs:
        upload = house.site.upload("noise.bin", data)  # which takes one turn
        assert house.site.get(f"/api/v1/files/{upload}").body == data
        house.site.get("/rq/")


def test_a_job_is_followed_through_the_logs_of_its_hosts(house: House) -> None:
    job = house.site.submit("nap")
    house.site.ended(job)

    def lines(hosts: list[Host]) -> list[dict[str, Any]]:
        said = "".join(map(house.said, hosts)).splitlines()
        return [line for line in map(parsed, said) if line.get("job") == job]

    assert [line["message"] for line in lines(house.webs)] == [f"job {job}: sent to queue cpu"]
    until(lambda: len(lines(house.workers)) == 2, "what the worker and its child say")
    begun, succeeded = lines(house.workers)
    assert (begun["message"], succeeded["message"]) == (f"job {job}: attempt 1 of nap begins", f"job {job}: succeeded")
    assert begun["process"] != succeeded["process"]


def parsed(line: str) -> dict[str, Any]:
    return json.loads(line) if line.startswith("{") else {}


def test_each_host_finds_everything_in_order(house: House) -> None:
    for host in (house.webs[0], house.workers[0]):
        told = house.deployment.run(host, "python -m jobs doctor")
        assert told.returncode == 0, told.stdout + told.stderr


def test_a_host_that_is_cut_off_loses_its_job_and_writes_nothing_more(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one whose clock ticks: its election must end too, although nobody closed its session."""
    site, witness = house.site, house.witness
    until(house.ticking, "a clock")
    host = house.ticking()
    assert host is not None
    job = house.nap_on(host, naps=80, seconds=0.25)
    until(lambda: len(witness.calls[job]) >= 5, "some naps")
    host.cut()
    cut = time.monotonic()
    try:
        until(lambda: witness.calls[job][-1].lease > 1, "another host going on", AGAIN_SECONDS)
        taken = time.time()
        again = witness.calls[job][-1].at - cut
        ended = site.ended(job)
        until(lambda: house.ticking() not in (None, host), "another clock")
        before = house.record(job)
    finally:
        host.mend()
    (killed,) = [line for line in map(parsed, house.said(host).splitlines()) if "killing its process" in str(line)]
    with capsys.disabled():
        print(f"\n{host.name} was cut off in the middle of a job; another host went on with it after {again:.1f} s")
    until(lambda: house.serving()[host.name] == 2, "the host that is back")
    assert (ended["state"], ended["progress"]["done"]) == ("succeeded", 80)
    assert house.host_of(job) != host.name
    assert datetime.fromisoformat(killed["at"]).timestamp() < taken  # nobody ran it twice, not even unseen
    assert witness.repeats(job) <= 1  # the nap that was under way
    assert house.record(job) == before


@pytest.mark.long
def test_a_host_that_joins_takes_its_share(house: House) -> None:
    house.workers.append(house.deployment.host("work4"))
    house.deployment.start_worker(house.workers[-1])
    until(lambda: len(house.serving()) == 4, "the new host")
    started = house.site.submit_many(40, "nap", naps=2, seconds=0.2)
    assert {job["state"] for job in house.site.all_ended(started)} == {"succeeded"}
    shares = Counter(map(house.host_of, started))
    assert set(shares) == {host.name for host in house.workers}
    assert min(shares.values()) >= 4, shares  # ten would be even


@pytest.mark.long
def test_a_new_version_comes_host_by_host_and_nobody_notices(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    site, deployment = house.site, house.deployment
    long = [house.nap(50, 0.2) for _ in range(8)]
    keyed = [site.submit("nap", naps=1)]
    until(lambda: all(house.witness.calls[job] for job in long[:6]), "most of them running")
    browser = house.balanced()
    browser.take_over(site)
    with browser.polled(["/", "/jobs", f"/jobs/{long[0]}", f"/api/v1/jobs/{long[1]}", "/readyz"]) as wrong:
        for host in (*house.webs, *house.workers):
            running = deployment.webs if host in deployment.webs else deployment.workers
            assert running[host].end() == 0, running[host].said()[-3000:]
            keyed.append(site.submit_keyed(host.name, "nap", naps=1))
            if running is deployment.webs:
                deployment.start_web(host)
                house.ready(host)
            else:
                deployment.start_worker(host)
                until(lambda host=host: house.serving()[host.name] == 2, f"{host.name} again")  # type: ignore[misc]
        ended = site.all_ended([*long, *keyed], 180)
    with capsys.disabled():
        print(f"\nall six hosts anew: {browser.asked} pages asked for, {browser.passed_on} passed on to the other web")
    assert wrong == []
    assert {(job["state"], job["attempt"]) for job in ended} == {("succeeded", 1)}
    assert max(house.witness.repeats(job) for job in long) <= 1
