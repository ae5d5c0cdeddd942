"""Rate limit for passwords: an attempt is counted before its password is checked, so that parallel attempts count too.

There are three counters: name and address, address, name. The limit for a name is the highest, so that an attacker
cannot easily lock a person out. A right password takes its attempt back.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from jobs.engine.client_address import network_of
from jobs.engine.db import postgres
from jobs.engine.db.models import Tries
from jobs.engine.errors import TooMany

MINUTES = 15
PAIR, ADDRESS, NAME = 10, 60, 200  # wrong attempts within MINUTES

_COUNT = text("""
    insert into sign_in_tries (key, count) values (:key, 1)
    on conflict (key) do update set count = sign_in_tries.count + 1 returning count
""")
_TAKE_BACK = text("update sign_in_tries set count = count - 1 where key = :key and count > 0")
_FORGET = text("delete from sign_in_tries where since < now() - make_interval(mins => :minutes)")
_ONCE = text("insert into sign_in_tries (key, count) values (:key, 1) on conflict do nothing returning key")


def count(name: str, address: str) -> None:
    """Count an attempt. Raises TooMany, whether or not the account exists."""
    with postgres.session() as session:
        session.execute(_FORGET, {"minutes": MINUTES})
        over = _over(session, _from(address), ADDRESS) or any(
            [_over(session, _pair(name, address), PAIR), _over(session, _digest(name), NAME)]
        )
    if over:
        raise TooMany(f"Too many wrong passwords. Wait {MINUTES} minutes, then try again.", reason="too_many_tries")


def forget(name: str, address: str) -> None:
    """Take an attempt back, and reset the counters of the name: its password was right."""
    with postgres.session() as session:
        session.execute(delete(Tries).where(Tries.key.in_([_pair(name, address), _digest(name)])))
        session.execute(_TAKE_BACK, {"key": _from(address)})


def first(session: Session, what: str, address: str) -> bool:
    """Whether this happens for the first time within MINUTES from this address."""
    session.execute(_FORGET, {"minutes": MINUTES})
    return session.scalar(_ONCE, {"key": f"{_digest(what)} noted {network_of(address)}"}) is not None


def _over(session: Session, key: str, most: int) -> bool:
    return int(session.execute(_COUNT, {"key": key}).scalar_one()) > most


def _from(address: str) -> str:
    return f"from {network_of(address)}"


def _pair(name: str, address: str) -> str:
    return f"{_digest(name)} {_from(address)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
