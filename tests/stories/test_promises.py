"""The chapters of `make chaos`, short: what Legwork promises while it is killed, frozen and cut off."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.chaos.crowd import crowd, poison
from tests.chaos.cuts import cuts
from tests.chaos.deploys import deploy
from tests.chaos.disks import files_full, may_mount
from tests.chaos.freeze import freeze
from tests.chaos.installation import House, open_house
from tests.chaos.mailing import mailing
from tests.chaos.outages import broker_away, database_away, database_crowded
from tests.chaos.punctual import punctual
from tests.chaos.verdicts import all_kept
from tests.mail_server import MailServer


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with MailServer(latency=0.05) as server:
        yield server


@pytest.fixture(scope="module")
def house(mail: MailServer) -> Iterator[House]:
    with open_house(SMTP_URL=mail.url.replace("=2", "=20")) as opened:
        yield opened


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")  # pytest shows it where the test fails
    return random.Random(seed)


def test_a_crowd_of_jobs_under_kills(house: House, chance: random.Random) -> None:
    all_kept(crowd(house, chance, jobs=24, every=(1.0, 2.5)))  # on a slow machine, one job must not meet six kills


@pytest.mark.long
def test_a_mailing_under_kills_and_freezes(house: House, mail: MailServer, chance: random.Random) -> None:
    all_kept(mailing(house, mail, chance, recipients=300))


def test_a_worker_that_was_frozen(house: House, chance: random.Random) -> None:
    all_kept(freeze(house, chance, seconds=9))


def test_a_job_that_kills_its_worker(house: House, chance: random.Random) -> None:
    all_kept(poison(house, chance, others=5))


def test_jobs_for_later_under_kills(house: House, chance: random.Random) -> None:
    all_kept(punctual(house, chance, jobs=15, seconds=5, schedules=0))


@pytest.mark.parametrize("how", ["killed", "full", "locked"])
def test_the_broker_is_of_no_use(house: House, chance: random.Random, how: str) -> None:
    all_kept(broker_away(house, chance, how))


def test_the_database_is_away(house: House, chance: random.Random) -> None:
    all_kept(database_away(house, chance, seconds=3, jobs=5))


def test_every_connection_is_taken(house: House, chance: random.Random) -> None:
    all_kept(database_crowded(house, chance, seconds=2, jobs=3))


def test_the_web_is_killed_in_the_middle(house: House, chance: random.Random) -> None:
    all_kept(cuts(house, chance))


@pytest.mark.skipif(not may_mount(), reason="A small disk takes root, and a container in which it may mount.")
def test_no_space_is_left_for_files(house: House, chance: random.Random) -> None:
    all_kept(files_full(house, chance))


def test_a_deploy_while_many_jobs_run(chance: random.Random) -> None:
    with open_house(started=False) as empty:
        all_kept(deploy(empty, chance, jobs=6, twice=True))
