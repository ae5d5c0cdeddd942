"""Addresses as people paste them."""

from __future__ import annotations

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.mail.addresses import each_address, parse_address

INVISIBLE = ("\u200b", "\ufeff", "\u00a0", "\u00ad", "\u2060", "\u200e", "\u3000", "\u180e")


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("ann@example.org", "", "ann@example.org"),
        ("Ann <ann@example.org>", "Ann", "ann@example.org"),
        ('"Lovelace; Ada" <ada@example.org>', "Lovelace; Ada", "ada@example.org"),
        ("Lovelace, Ada <ada@example.org>", "Lovelace, Ada", "ada@example.org"),
        ("ann@example.org (Ann)", "Ann", "ann@example.org"),
        ("mailto:ann@example.org", "", "ann@example.org"),
        ("MAILTO:ann@example.org?subject=Hi", "", "ann@example.org"),
        ("Ann <mailto:ann@example.org>", "Ann", "ann@example.org"),
        ("jürgen@exämple.org", "", "jürgen@xn--exmple-cua.org"),
    ],
)
def test_what_is_taken(text: str, name: str, address: str) -> None:
    found = parse_address(text)
    assert (found.name, str(found)) == (name, address)


@pytest.mark.parametrize("letter", INVISIBLE)
def test_what_cannot_be_seen_is_taken_off_the_ends_and_named_within(letter: str) -> None:
    assert str(parse_address(f"{letter}ann@example.org{letter}")) == "ann@example.org"
    assert str(parse_address(f"Ann <{letter}ann@example.org{letter}>")) == "ann@example.org"
    with pytest.raises(BadInput) as error:
        parse_address(f"an{letter}n@example.org")
    invisible = letter not in "\u00a0\u3000"
    assert (f"cannot be seen (U+{ord(letter):04X})" in str(error.value)) == invisible


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Gus gus@example.org", "has something before the address. Write Gus <gus@example.org> if it is a name."),
        ("jane doe@example.org", "Write jane <doe@example.org> if it is a name."),
        ("a@example.org; b@example.org", "is more than one address"),
        ("a@example.org b@example.org", "is more than one address"),
        ("ann@exam\nple.org", "line break"),
        ("ann", "is not a mail address such as"),
        ('""0<', "close quote: '0'."),  # a sentence of the library without its end
    ],
)
def test_what_is_refused_is_refused_for_its_reason(text: str, said: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_address(text)
    assert said in str(error.value)


def test_several_addresses_on_a_line_are_told_apart() -> None:
    assert each_address("a@example.org; B <b@example.org>,c@example.org;") == [
        "a@example.org",
        "B <b@example.org>",
        "c@example.org",
    ]
    assert each_address("Lovelace, Ada <ada@example.org>") == ["Lovelace, Ada <ada@example.org>"]
    assert each_address('"L; Ada" <ada@example.org>; c@example.org') == ['"L; Ada" <ada@example.org>', "c@example.org"]
