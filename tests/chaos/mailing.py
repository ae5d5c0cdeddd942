"""P6: a mailing under kills and freezes. The mail server counts every message whose last byte came."""

from __future__ import annotations

import random

from tests.chaos.installation import House
from tests.chaos.killer import Fair, Killer
from tests.chaos.verdicts import Verdict
from tests.mail_server import MailServer
from tests.stories.site_client import ENDED, until

CONNECTIONS = 4
VICTIMS = {"child": 3, "worker": 3, "both": 3, "frozen": 6, "clock": 1, "web": 1}


def mailing(house: House, mail: MailServer, chance: random.Random, recipients: int = 2_000) -> list[Verdict]:
    """The house's SMTP_URL is that server's."""
    tag = f"{chance.randrange(10**9)}"
    site = house.site
    addresses = {f"r{number}.{tag}@example.org" for number in range(recipients)}
    source = site.upload("recipients.csv", ("email\n" + "\n".join(sorted(addresses)) + "\n").encode())
    letter = {"from": "Nora <nora@example.org>", "subject": "Hello", "text": "Dear {email}\n", "recipients": source}
    more = {"per_second": None, "error_limit": None, "connections": CONNECTIONS}
    job = site.submit_keyed(f"mail-{tag}", "send_emails", **letter, **more)

    killer = Killer(house.app, chance, VICTIMS, every=(0.5, 2.5), may=Fair(site))
    with killer.at_work():
        until(lambda: site.job(job)["state"] in ENDED, "the end of the mailing", 120 + recipients * 0.5, look=0.5)
    ended = site.ended(job)
    progress = ended["progress"]
    losses = sum("worker was lost" in line["text"] for line in site.api(f"/jobs/{job}/log?limit=1000")["lines"])
    seen = {address: count for address, count in mail.seen.items() if address in addresses}
    done = {item["key"] for item in site.items(job, "done")}
    kills = ", ".join(f"{count} {name}" for name, count in sorted(killer.kills.items()))
    most = losses * CONNECTIONS
    return [
        Verdict(
            "P6 nobody is mailed twice",
            f"{len(seen)} of {recipients} addresses seen at the sink, the most of one {max(seen.values())}; {kills}",
            max(seen.values()) == 1,
        ),
        Verdict(
            "P6 what is in doubt is shown",
            f"{progress['done']} done, {progress['unknown']} unknown after {losses} losses (at most {most})",
            progress["done"] + progress["unknown"] == progress["total"] == recipients and progress["unknown"] <= most,
        ),
        Verdict(
            "P6 what is shown as done was sent",
            f"{len(done & set(seen))} of {len(done)} at the sink",
            len(done) == progress["done"] and done <= set(seen),
        ),
    ]
