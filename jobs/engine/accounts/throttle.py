"""Rate limit for sign-ins: an attempt is counted before its password is checked, so that parallel attempts count too.

There are three counters: name and address, address, name. The limit for a name is the highest, so that an attacker
cannot easily lock a person out.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import delete, text

from jobs.engine.db import postgres
from jobs.engine.db.models import Tries
from jobs.engine.errors import TooMany

MINUTES = 15
PAIR, ADDRESS, NAME = 10, 60, 200  # attempts within MINUTES

_COUNT = text("""
    insert into sign_in_tries (key, count) values (:key, 1)
    on conflict (key) do update set count = sign_in_tries.count + 1 returning count
""")
_FORGET = text("delete from sign_in_tries where since < now() - make_interval(mins => :minutes)")


def count(name: str, address: str) -> None:
    """Count an attempt. Raises TooMany, whether or not the account exists."""
    most = {f"from {address}": ADDRESS, _pair(name, address): PAIR, _digest(name): NAME}
    with postgres.session() as session:
        session.execute(_FORGET, {"minutes": MINUTES})
        over = any([session.execute(_COUNT, {"key": key}).scalar_one() > some for key, some in most.items()])
    if over:
        raise TooMany(f"Too many attempts to sign in. Wait {MINUTES} minutes, then try again.", reason="too_many_tries")


def forget(name: str, address: str) -> None:
    """Reset the counters after a correct password."""
    with postgres.session() as session:
        session.execute(delete(Tries).where(Tries.key.in_([_pair(name, address), _digest(name)])))


def _pair(name: str, address: str) -> str:
    return f"{_digest(name)} from {address}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
