"""P12: a worker and its child hold still for longer than their lease, while another goes on with the job; then they wake."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

from tests.chaos.installation import House
from tests.chaos.sink import sink
from tests.chaos.verdicts import Verdict
from tests.stories.site_client import until

NAP_SECONDS = 0.1
TAKEN_SECONDS = 30.0  # in which another must have taken the job over


def freeze(house: House, chance: random.Random, seconds: float = 40.0) -> list[Verdict]:
    """Whose job it was writes nothing when it wakes: at most the one nap that it was in is heard of again."""
    naps = int(seconds / NAP_SECONDS)
    with sink() as (url, witness):
        job = house.site.submit_keyed(f"freeze-{chance.random()}", "nap", naps=naps, seconds=NAP_SECONDS, witness=url)
        until(lambda: len(witness.calls[job]) >= 5, "some naps")
        (pair,) = [(each.pid, each.parent) for each in house.app.processes("horse")]
        frozen = time.monotonic()
        for pid in pair:
            os.kill(pid, signal.SIGSTOP)
        try:
            first = witness.calls[job][-1].lease
            until(lambda: witness.calls[job][-1].lease > first, "another taking over", TAKEN_SECONDS)
            time.sleep(max(0.0, seconds - (time.monotonic() - frozen)))
        finally:
            woken = time.monotonic()
            for pid in pair:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        ended = house.site.ended(job, 60 + seconds)
        until(
            lambda: pair[0] not in {each.pid for each in house.app.processes("horse")}, "the end of the one that woke"
        )
        late = [call for call in witness.calls[job] if call.at > woken and call.lease == first]
        numbers = {call.number for call in witness.calls[job]}
    done, found = ended["progress"]["done"], len(house.site.items(job, "done"))
    return [
        Verdict(
            "P12 a frozen worker writes nothing",
            f"frozen {woken - frozen:.0f} s; {len(late)} calls after it woke (at most 1), {done} done of {naps}",
            len(late) <= 1 and ended["state"] == "succeeded" and done == found == len(numbers) == naps,
        ),
        Verdict("P12 it is of use again", f"{len(house.app.processes('rq worker'))} workers", _both(house)),
    ]


def _both(house: House) -> bool:
    until(lambda: len(house.app.processes("rq worker")) == 2, "both workers being there")
    return True
