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
_BLANK = " \t\r\n\xa0\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"  # cannot be seen; left over from a paste
_MAILTO = re.compile("^mailto:", re.IGNORECASE)
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")


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
    """Exactly one address: ann@example.org or Ann <ann@example.org>. Raises BadInput saying what is wrong with it."""
    if has_control_characters(text.strip(_BLANK)):
        raise BadInput("The address has a line break or another control character in it.")
    text = _MAILTO.sub("", text.strip(_BLANK))
    named = _NAMED.fullmatch(text)
    name, bare = (named["name"], named["address"].strip(_BLANK)) if named else ("", text)
    if bare.count("@") > 1 or re.search(r"[,;]", bare):
        raise BadInput(f"“{_short(text)}” is more than one address. Write one to a row.")
    validate, refused = _validator()
    try:
        found = validate(bare, check_deliverability=False, strict=True)
    except refused as error:
        raise BadInput(f"“{_short(text)}” is not a mail address such as ann@example.org. {error}") from None
    return Address(name.strip().strip('"').strip(), found.local_part, found.ascii_domain)


@cache
def _validator() -> tuple[Callable[..., ValidatedEmail], type[Exception]]:
    """The library's function and its error. Names such as mail.local are refused by default; private networks use them."""
    import email_validator

    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    return email_validator.validate_email, email_validator.EmailNotValidError


def has_control_characters(text: str) -> bool:
    """Line breaks, NUL, marks that turn the direction of writing: nothing of it belongs into a header."""
    return _CONTROL.search(text) is not None


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
