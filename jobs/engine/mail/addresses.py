"""Mail addresses as people write them: one in a text, with or without a name before it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from jobs.engine.errors import BadInput

if TYPE_CHECKING:
    from email_validator import ValidatedEmail

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSEEN = ("Cf", "Zs", "Zl", "Zp")  # categories of characters that cannot be seen
_MAILTO = re.compile(r"mailto:(?P<address>[^?]*)(?:\?.*)?", re.IGNORECASE)
_NAMED = (
    re.compile(r"(?P<name>[^<>]*)<(?:mailto:)?(?P<address>[^<>]*)>", re.IGNORECASE),
    re.compile(r"(?P<address>[^\s@]+@[^\s@]+)\s+\((?P<name>[^()]*)\)"),
)
_BARE_NAME = re.compile(r"(?P<name>[^@,;<>]*[^@,;<>\s])\s+(?P<address>[^\s@]+@[^\s@]+)")


@dataclass(frozen=True)
class Address:
    """One address. `domain` is in lower-case ASCII, whatever script it was written in; `local` is as written, in NFC."""

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
    """Exactly one address, alone or with a name: ann@example.org, Ann <ann@example.org>, mailto:ann@example.org

    Raises BadInput saying what is wrong with it.
    """
    text = _trimmed(text)
    if has_control_characters(text):
        raise BadInput("The address has a line break or another control character in it.")
    if link := _MAILTO.fullmatch(text):
        text = link["address"]
    named = next(filter(None, (one.fullmatch(text) for one in _NAMED)), None)
    name, bare = (named["name"], _trimmed(named["address"])) if named else ("", text)
    if unseen := next((letter for letter in bare if unicodedata.category(letter) in _UNSEEN[:1]), None):
        raise BadInput(
            f"“{_short(text)}” has a character in it that cannot be seen (U+{ord(unseen):04X}). Type it again."
        )
    if bare.count("@") > 1 or re.search(r"[,;]", bare):
        raise BadInput(f"“{_short(text)}” is more than one address. Write one to a row.")
    if before := _BARE_NAME.fullmatch(bare):
        written = f"{before['name']} <{before['address']}>"
        raise BadInput(f"“{_short(text)}” has something before the address. Write {_short(written)} if it is a name.")
    validate, refused = _validator()
    try:
        found = validate(bare, check_deliverability=False, strict=True)
    except refused as error:
        why = str(error).rstrip(".")  # not all of the library's sentences end with one
        raise BadInput(f"“{_short(text)}” is not a mail address such as ann@example.org. {why}.") from None
    return Address(name.strip().strip('"').strip(), found.local_part, found.ascii_domain)


@cache
def _validator() -> tuple[Callable[..., ValidatedEmail], type[Exception]]:
    """The library's function and its error. Names such as mail.local are refused by default; private networks use them."""
    import email_validator

    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    return email_validator.validate_email, email_validator.EmailNotValidError


def each_address(line: str) -> list[str]:
    """The parts of a line of a pasted list: several addresses between semicolons or commas, else the line."""
    parts = [part.strip() for part in re.split(r"[;,](?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", line) if part.strip()]
    return parts if len(parts) > 1 and all("@" in part for part in parts) else [line.strip(" ;,")]


def _trimmed(text: str) -> str:
    """Without blanks and characters that cannot be seen at its ends, which a paste leaves there."""
    start, end = 0, len(text)
    while start < end and _cannot_be_seen(text[start]):
        start += 1
    while end > start and _cannot_be_seen(text[end - 1]):
        end -= 1
    return text[start:end]


def _cannot_be_seen(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) in _UNSEEN


def has_control_characters(text: str) -> bool:
    """Line breaks, NUL, marks that turn the direction of writing: nothing of it belongs into a header."""
    return _CONTROL.search(text) is not None


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
