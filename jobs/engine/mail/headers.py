"""Header fields of a message as they go over the wire, by RFC 5322 and RFC 2047.

Python's own folding breaks three of them: an address of List-Unsubscribe becomes encoded text from 76 characters on, which no
mail program follows; a long name in quotes loses its quotes, so that a comma in it ends the address; a folded subject gains spaces.
"""

from __future__ import annotations

from email.header import Header
from email.headerregistry import (
    Address,
    BaseHeader,
    HeaderRegistry,
    UniqueSingleAddressHeader,
    UniqueUnstructuredHeader,
)
from email.message import Message
from email.policy import Policy
from email.utils import quote

LONGEST = 66  # characters of an address with its name in one line; a line should have 78 at most


class _Text(UniqueUnstructuredHeader, BaseHeader):  # type: ignore[misc]  # the registry joins the two in this way itself
    """Text for people: as it is in ASCII, else all of it in encoded words of at most 75 characters."""

    def fold(self, *, policy: Policy[Message[str, str]]) -> str:
        return _field(self.name, _words(str(self), self.name), policy)


class _OneAddress(UniqueSingleAddressHeader, BaseHeader):  # type: ignore[misc]  # the registry joins the two in this way itself
    """One address, after its name in quotes or in encoded words."""

    def fold(self, *, policy: Policy[Message[str, str]]) -> str:
        return _field(self.name, _address(self.address, self.name), policy)


class _Verbatim(UniqueUnstructuredHeader, BaseHeader):  # type: ignore[misc]  # the registry joins the two in this way itself
    """Structure for programs, in one line: never encoded, never folded."""

    def fold(self, *, policy: Policy[Message[str, str]]) -> str:
        return _field(self.name, str(self), policy)


def registry() -> HeaderRegistry:
    """What a policy makes header fields with, as its `header_factory`."""
    made = HeaderRegistry()
    for name in ("from", "to", "reply-to"):
        made.map_to_type(name, _OneAddress)
    for name in ("message-id", "list-unsubscribe", "list-unsubscribe-post"):
        made.map_to_type(name, _Verbatim)
    made.map_to_type("subject", _Text)
    return made


def _field(name: str, value: str, policy: Policy[Message[str, str]]) -> str:
    return f"{name}: {value}".replace("\n", policy.linesep) + policy.linesep


def _address(address: Address, name: str) -> str:
    shown = address.display_name
    if not shown:
        return address.addr_spec
    written = f'"{quote(shown)}"' if shown.isascii() else _words(shown, name)
    gap = " " if len(written) + len(address.addr_spec) < LONGEST else "\n "
    return f"{written}{gap}<{address.addr_spec}>"


def _words(text: str, name: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", header_name=name).encode()
