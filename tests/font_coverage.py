"""Write jobs/engine/formats/font_coverage.txt: the letters of the fonts that PDFs and charts are set with.

python -m tests.font_coverage, with fontTools installed. Run it when typst or the packages of fonts are updated; a test compares
their versions with the first line of the file.
"""

from __future__ import annotations

import importlib.util
import io
import struct
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from jobs.engine.formats import fonts

TARGET = Path(fonts.__file__).with_name("font_coverage.txt")
PACKAGES = ("typst", "manimgx-fonts", "manimgx-fonts-cjk")
HEAD = 12  # bytes before the directory of a font's tables, which has 16 for each


def versions() -> str:
    return "# " + ", ".join(f"{name} {version(name)}" for name in PACKAGES)


def letters() -> set[int]:
    from fontTools.ttLib import TTCollection, TTFont  # type: ignore[import-not-found]

    found = [TTFont(io.BytesIO(data), lazy=True) for data in _within_typst()]
    for folder in fonts.folders():
        found += [TTFont(path, lazy=True) for path in folder.glob("*.ttf")]
        found += [font for path in folder.glob("*.ttc") for font in TTCollection(path, lazy=True).fonts]
    return {code for font in found for code in font.getBestCmap()}


def _within_typst() -> Iterator[bytes]:
    """The fonts that are compiled into typst's library."""
    spec = importlib.util.find_spec("typst._typst")
    assert spec and spec.origin
    data = Path(spec.origin).read_bytes()
    for signature in (b"OTTO", b"\0\1\0\0"):
        place = data.find(signature)
        while place >= 0:
            if font := _font(data, place):
                yield font
            place = data.find(signature, place + 4)


def _font(data: bytes, place: int) -> bytes:
    (tables,) = struct.unpack_from(">H", data, place + 4)
    if not 5 < tables < 40:
        return b""
    entries = [data[place + HEAD + 16 * number : place + HEAD + 16 * number + 16] for number in range(tables)]
    if not {b"cmap", b"head"} <= {entry[:4] for entry in entries}:
        return b""
    return data[place : place + max(sum(struct.unpack(">II", entry[8:])) for entry in entries) + 4]


def written(codes: set[int]) -> str:
    runs: list[list[int]] = []
    for code in sorted(codes):
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    words = [f"{first:x}" if first == last else f"{first:x}-{last:x}" for first, last in runs]
    return "\n".join(" ".join(words[place : place + 14]) for place in range(0, len(words), 14))


if __name__ == "__main__":
    TARGET.write_text(f"{versions()}\n{written(letters())}\n")
