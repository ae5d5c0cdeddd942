"""`python -m tests.chaos [--seed N] [--jobs 1000] … [--only crowd,mailing]`: the promises, long. One table, one JSON line."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.chaos import half_price
from tests.chaos.crowd import crowd, gaps, poison
from tests.chaos.cuts import cuts
from tests.chaos.deploys import deploy
from tests.chaos.disks import files_full, may_mount, postgres_full, small_disk
from tests.chaos.freeze import freeze
from tests.chaos.installation import open_house
from tests.chaos.mailing import mailing
from tests.chaos.neighbours import MEMORY_MB, neighbours
from tests.chaos.outages import broker_away, database_away, database_crowded
from tests.chaos.punctual import punctual
from tests.chaos.streams import streams
from tests.chaos.survival import survival
from tests.chaos.verdicts import Verdict, table
from tests.chaos.wide import wide
from tests.conftest import CODE, _open_folder
from tests.fake_provider import FakeProvider
from tests.mail_server import MailServer

NO_DISK = "a small disk takes root"
Chapter = Callable[[argparse.Namespace, random.Random], list[Verdict]]
POSTGRES_MB = 200  # of the disk that is filled
MAIL_SECONDS = 0.01  # that the mail server takes for a message


def _crowd(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with open_house() as house:
        return crowd(house, chance, options.jobs) + gaps(house, chance, options.losses) + poison(house, chance)


def _wide(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with open_house() as house:
        return wide(house, chance, options.items) + wide(house, chance, options.items // 2, once=True)


def _mailing(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with MailServer(latency=MAIL_SECONDS) as mail, open_house(SMTP_URL=mail.url.replace("=2", "=20")) as house:
        return mailing(house, mail, chance, options.mails)


def _half_price(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with FakeProvider() as provider, open_house(**half_price.settings(provider)) as house:
        return half_price.half_price(house, provider, chance, options.rows)


def _neighbours(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with open_house(JOB_MEMORY_MB=str(MEMORY_MB)) as house:
        return neighbours(house, chance)


def _outages(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with open_house() as house:
        found = freeze(house, chance, options.frozen)
        for how in ("killed", "frozen"):
            found += broker_away(house, chance, how)
        return found + database_away(house, chance, options.outage)


def _hard_times(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with open_house() as house:
        found = cuts(house, chance) + database_crowded(house, chance, options.outage)
        for how in ("full", "locked"):
            found += broker_away(house, chance, how)
        found += files_full(house, chance) if may_mount() else [Verdict("Disk of the files full", NO_DISK, kept=None)]
    return found


def _full_disk(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    if not may_mount():
        return [Verdict("Disk of Postgres full", NO_DISK, kept=None)]
    with _open_folder() as folder, small_disk(folder / "postgres", POSTGRES_MB) as disk:
        disk.chmod(0o755)  # root's Postgres is another user
        with open_house(folder=folder) as house:
            return postgres_full(house, chance)


def _punctual(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with open_house() as house:
        return punctual(house, chance, options.due)


def _deploys(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with open_house(started=False) as house:
        return deploy(house, chance, options.running) + deploy(house, chance, options.running, twice=True)


def _streams(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    return streams()


def _survival(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    with _open_folder() as folder:
        return survival(folder, chance, options.results)


def _long_tests(options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    """The tests that `make test` leaves out."""
    asked = [sys.executable, "-m", "pytest", "-q", "-m", "long", "--timeout", "3600"]
    ended = subprocess.run(asked, cwd=CODE, check=False).returncode
    return [Verdict("The long tests pass", f"pytest left with {ended}", kept=ended == 0)]


CHAPTERS: dict[str, Chapter] = {
    "crowd": _crowd,
    "wide": _wide,
    "half_price": _half_price,
    "mailing": _mailing,
    "neighbours": _neighbours,
    "outages": _outages,
    "hard_times": _hard_times,
    "full_disk": _full_disk,
    "punctual": _punctual,
    "deploys": _deploys,
    "streams": _streams,
    "survival": _survival,
    "long_tests": _long_tests,
}


def main() -> int:
    options = _arguments()
    print(f"seed {options.seed}", flush=True)
    verdicts: list[Verdict] = []
    seconds: dict[str, float] = {}
    for name in options.only:
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        began, before = time.monotonic(), len(verdicts)
        verdicts += _found(name, options, random.Random(f"{options.seed} {name}"))
        print(table(verdicts[before:]), flush=True)
        seconds[name] = round(time.monotonic() - began, 1)
    print(f"\n{table(verdicts)}\n")
    kept = all(verdict.kept is not False for verdict in verdicts)
    _keep(options, verdicts, seconds, kept)
    print(
        f"seed {options.seed}: {'every promise that was tried was kept' if kept else 'NOT every promise was kept'}. "
        f"The run is the last line of {options.file}."
    )
    return 0 if kept else 1


def _found(name: str, options: argparse.Namespace, chance: random.Random) -> list[Verdict]:
    """The verdicts of a chapter; one that could not be carried through is one that was not kept."""
    try:
        return CHAPTERS[name](options, chance)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exc()
        first = str(error).splitlines()[0] if str(error) else ""
        return [Verdict(f"{name} is carried through", f"{type(error).__name__}: {first}"[:200], kept=False)]


def _keep(options: argparse.Namespace, verdicts: Sequence[Verdict], seconds: dict[str, float], kept: bool) -> None:
    line: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seed": options.seed,
        "sizes": {name: value for name, value in vars(options).items() if name not in ("seed", "file")},
        "seconds": seconds,
        "kept": kept,
        "verdicts": [verdict.as_json() for verdict in verdicts],
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
    }
    options.file.parent.mkdir(parents=True, exist_ok=True)
    with options.file.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Try what Legwork promises.")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="the same kills again, nearly")
    parser.add_argument("--jobs", type=int, default=1_000, help="in the crowd that is killed at")
    parser.add_argument("--items", type=int, default=6_000, help="of the one job that several workers share")
    parser.add_argument("--rows", type=int, default=10_000, help="that a provider answers within a day")
    parser.add_argument("--losses", type=int, default=10, help="of a worker with its child, one after the other")
    parser.add_argument("--mails", type=int, default=2_000, help="recipients of the mailing")
    parser.add_argument("--frozen", type=float, default=40.0, help="seconds that a worker is frozen")
    parser.add_argument("--outage", type=float, default=6.0, help="seconds without a database")
    parser.add_argument("--due", type=int, default=100, help="jobs that are due within a minute")
    parser.add_argument("--running", type=int, default=20, help="jobs that run when a deploy comes")
    parser.add_argument("--results", type=int, default=100, help="that are shown before everything is killed")
    parser.add_argument("--only", type=_names, default=list(CHAPTERS), help=",".join(CHAPTERS))
    parser.add_argument("--file", type=Path, default=Path("var/chaos.jsonl"), help="gets one line a run")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(CHAPTERS):
        raise argparse.ArgumentTypeError(f"no such chapter: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
