"""Mail addresses as people write them: one in a text, with or without a name before it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from jobs.engine.errors import BadInput

LONGEST = 254  # RFC 5321, as the errata have it
LONGEST_LOCAL = 64

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_LOCAL = re.compile(r"[^\s()<>\[\]:;@\\,\".]+(\.[^\s()<>\[\]:;@\\,\".]+)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]")


@dataclass(frozen=True)
class Address:
    """One address. `domain` is in lower-case ASCII, whatever script it was written in; `local` is as it was written."""

    name: str
    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """The same for each way to write the same address. No mail host in use tells Ann@ from ann@."""
        return f"{unicodedata.normalize('NFC', self.local).casefold()}@{self.domain}"


def parse_address(text: str) -> Address:
    """Exactly one address: ann@example.org or Ann <ann@example.org>. Raises BadInput saying what is wrong with it."""
    if has_control_characters(text):
        raise BadInput("The address has a line break or another control character in it.")
    text = text.strip()
    named = _NAMED.fullmatch(text)
    name, bare = (named["name"], named["address"].strip()) if named else ("", text)
    if bare.count("@") > 1 or re.search(r"[,;]", bare):
        raise BadInput(f"“{_short(text)}” is more than one address. Write one to a row.")
    local, _, domain = bare.partition("@")
    if not local or not domain:
        raise BadInput(f"“{_short(text)}” is not a mail address; one looks like ann@example.org.")
    invisible = any(unicodedata.category(character)[0] == "C" for character in bare)
    if invisible or not _LOCAL.fullmatch(local) or len(local.encode()) > LONGEST_LOCAL:
        raise BadInput(f"“{_short(text)}” is not a mail address: what stands before the @ cannot be there.")
    found = Address(name.strip().strip('"').strip(), local, _domain(domain, text))
    if len(str(found).encode()) > LONGEST:
        raise BadInput(f"“{_short(text)}” is longer than a mail address may be.")
    return found


def has_control_characters(text: str) -> bool:
    """Line breaks, NUL, marks that turn the direction of writing: nothing of it belongs into a header."""
    return _CONTROL.search(text) is not None


def _domain(written: str, text: str) -> str:
    domain = written.lower() if written.isascii() else _ascii(written, text)
    if not _DOMAIN.fullmatch(domain) or len(domain) > 253:
        raise BadInput(f"“{_short(text)}” is not a mail address: “{_short(written)}” is not the name of a mail host.")
    return domain


def _ascii(written: str, text: str) -> str:
    """A name in another script as DNS knows it, by IDNA 2008: the older rules lead straße.de to somebody else."""
    import idna

    try:
        return idna.encode(written, uts46=True).decode()
    except idna.IDNAError:
        raise BadInput(f"“{_short(text)}” is not a mail address: “{_short(written)}” cannot be a mail host.") from None


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
