"""`python -m tests.audit [--offline]`: says what is wrong and ends with 1, or says that nothing is."""

from __future__ import annotations

import sys

from tests.audit import code, packages, sandbox


def main(offline: bool) -> int:
    have, wanted = packages.installed(), packages.pins()
    running = packages.standing_on(wanted)
    wrong = [
        *code.complaints(),
        *sandbox.let_through(),
        *packages.unlocked(),
        *packages.unpinned(wanted, have),
        *packages.bad({name: version for name, version in have.items() if name in running}),
    ]
    print(f"{len(wanted)} pins, and {len(running)} packages that run, were compared with what is installed.")
    if not offline:
        found, known = packages.asked_online(running)
        wrong += found
        print(
            f"PyPI knows {known} of these packages." if known else "PyPI was not asked: it does not answer from here."
        )
    for one in wrong:
        print(one)
    print(f"{len(wrong)} things are wrong." if wrong else "Nothing is wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main("--offline" in sys.argv[1:]))
