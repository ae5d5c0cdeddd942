"""Text of pictures, by the models of the extra [ocr], in a confined child."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from jobs.engine.formats import extraction, fonts
from jobs.engine.formats.extraction import recognition
from jobs.engine.operations import doctor

LINES = ("Größe: fünf Äpfel, où êtes-vous?", "TOTAL 4711 EURO")


@pytest.mark.slow
def test_a_scanned_page_gives_its_text(tmp_path: Path) -> None:
    font = next(path for folder in fonts.folders() for path in Path(folder).rglob("NotoSans[[]*"))
    picture = Image.new("RGB", (700, 200), "white")
    for place, line in enumerate(LINES):
        ImageDraw.Draw(picture).text((20, 30 + 80 * place), line, fill="black", font=ImageFont.truetype(font, 30))
    picture.save(tmp_path / "scan.pdf")
    found = extraction.extract(tmp_path / "scan.pdf", "scan.pdf", ocr=True)
    assert found.text.strip().splitlines() == list(LINES)
    assert found.note == "The pages are pictures; their text was recognised and may have mistakes."


def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._recognition_part().state == "ok"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    part = doctor._recognition_part()
    assert (part.state, "[ocr]" in part.words, "requirements-ocr.txt" in part.advice) == ("off", True, True)
    assert "[ocr]" in recognition.how()
