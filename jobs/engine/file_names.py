"""File names that are safe to write: on every file system, in a ZIP archive, in an HTTP header."""

from __future__ import annotations

import re
import unicodedata

MOST_BYTES = 200  # in UTF-8; Linux takes 255 a name, and a browser may add " (1)"
LONGEST_ENDING = 20  # characters, with the dot; what is longer is no ending, but a sentence with a dot in it
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)  # devices of Windows
_FORBIDDEN = frozenset('/\\:*?"<>|')
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control characters, marks of direction, surrogates, line separators
_JOINERS = "\u200c\u200d"  # part of words in Persian and of emoji


def safe_name(name: str) -> str:
    """The name without characters that a file system, a header or a reader's eye would misread; its ending is kept."""
    cleaned = re.sub("\x00+", "_", "".join("\x00" if _unsafe(letter) else letter for letter in name)).strip(" .")
    if _RESERVED.match(cleaned):
        cleaned = f"_{cleaned}"
    return _cut(cleaned) or "file"


def unique_name(name: str, taken: set[str]) -> str:
    """The name, or with a number before its ending if it is taken; case and composition of letters do not count."""
    stem, ending = split_ending(name)
    number, found = 1, name
    while _folded(found) in taken:
        number += 1
        found = f"{stem} ({number}){ending}"
    taken.add(_folded(found))
    return found


def split_ending(name: str) -> tuple[str, str]:
    """The stem and the ending with its dot: ("report", ".csv"). A name without an ending has an empty one."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if stem and len(ending) < LONGEST_ENDING else (name, "")


def ascii_name(name: str) -> str:
    """A safe name in ASCII, for programs that know no other; “März € 1.csv” becomes “Marz _ 1.csv”."""
    stem, ending = (_ascii(part) for part in split_ending(name))
    return (stem if re.search(r"[a-zA-Z0-9]", stem) else "file") + ending


def _unsafe(letter: str) -> bool:
    return letter in _FORBIDDEN or (letter not in _JOINERS and unicodedata.category(letter) in _INVISIBLE)


def _cut(name: str) -> str:
    stem, ending = split_ending(name)
    room = MOST_BYTES - len(ending.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + ending


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _ascii(text: str) -> str:
    """Without accents, everything else outside ASCII as one `_`, and no `%`, which some browsers decode."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return re.sub(r"[^ -~]+|[%\"\\]", "_", plain)
