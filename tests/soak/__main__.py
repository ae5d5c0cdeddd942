"""`python -m tests.soak [--minutes 60] [--pace 14]`: a small team's use, ten times as fast. One table, one JSON line.

Jobs of all kinds, schedules, chats, uploads, deletions, and now and then a restart. Each figure is looked at every few seconds;
it holds if its median in the last quarter is not above that of the second by more than SLACK.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.installation import House, open_house
from tests.fake_provider import FakeProvider
from tests.mail_server import MailServer
from tests.soak.figures import Figures
from tests.soak.use import Use
from tests.stories.app_process import end

SLACK = 0.15  # of what a figure may grow
# That no share is made of. RQ's records of ended jobs stay 500 s, so keys follow the pace of the last minutes.
SMALL = {"descriptors": 16, "connections": 4, "keys": 1_500, "folders": 12, "megabytes": 24}
LOOK_SECONDS = 5.0
RESTART_MINUTES = 15.0
BARS = "▁▂▃▄▅▆▇█"
STEPS = 40  # of a line


def main() -> int:
    options = _arguments()
    with FakeProvider() as provider, MailServer() as mail:
        given = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "sk", "OPENAI_MODEL": "fake-small"}
        with open_house(SMTP_URL=mail.url, **given) as house:
            figures, counts = _used(house, options)
    lines = [_line(name, values) for name, values in sorted(figures.items())]
    print("| figure | begin | end | line | |\n|---|---|---|---|---|")
    print(*(text for text, _ in lines), sep="\n")
    print(f"{sum(counts.values()):,} acts in {options.minutes:g} minutes: {dict(counts)}")
    flat = all(fine for _, fine in lines)
    print("All lines are flat." if flat else "NOT all lines are flat.")
    options.file.parent.mkdir(parents=True, exist_ok=True)
    with options.file.open("a") as file:
        file.write(json.dumps({"seed": options.seed, "counts": counts, "figures": figures}) + "\n")
    return 0 if flat else 1


def _used(house: House, options: argparse.Namespace) -> tuple[dict[str, list[float]], Counter[str]]:
    """The figures, one value a look, and what was done how often."""
    over = threading.Event()
    use = Use(house, random.Random(options.seed))
    taken = Figures(house)
    restarted = time.monotonic()
    until = restarted + options.minutes * 60
    with ThreadPoolExecutor(4) as pool:
        acts = [pool.submit(_act_on, use, over, options.pace / 3) for _ in range(3)]
        try:
            while time.monotonic() < until:
                over.wait(LOOK_SECONDS)
                taken.look()
                if time.monotonic() - restarted > RESTART_MINUTES * 60:
                    end(house.app)
                    house.begin()
                    restarted = time.monotonic()
        finally:
            over.set()
        for one in acts:
            one.result()
    use.wait_idle()
    return taken.values, use.counts


def _act_on(use: Use, over: threading.Event, pace: float) -> None:
    """One act after another, `pace` a second."""
    due = time.monotonic()
    while not over.wait(max(due - time.monotonic(), 0)):
        due = max(due + 1 / pace, time.monotonic() - 1)
        use.act()


def _line(name: str, values: list[float]) -> tuple[str, bool]:
    """The row of a figure, and whether it holds."""
    quarter = max(len(values) // 4, 1)
    second, last = statistics.median(values[quarter : 2 * quarter] or values), statistics.median(values[-quarter:])
    small = next((most for word, most in SMALL.items() if word in name), 0)
    fine = last <= second * (1 + SLACK) or last - second <= small
    return f"| {name} | {second:,.0f} | {last:,.0f} | `{_drawn(values)}` | {'flat' if fine else 'GROWS'} |", fine


def _drawn(values: list[float]) -> str:
    parts = [values[place * len(values) // STEPS : (place + 1) * len(values) // STEPS] for place in range(STEPS)]
    points = [statistics.median(part) for part in parts if part]
    most = max(points, default=0) or 1
    height: Callable[[float], int] = lambda point: min(int(point / most * len(BARS)), len(BARS) - 1)  # noqa: E731
    return "".join(BARS[height(point)] for point in points)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--pace", type=float, default=14.0, help="acts a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", type=Path, default=Path("var/soak.jsonl"), help="gets one line a run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
