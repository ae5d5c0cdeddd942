"""Text recognition (OCR) with the package rapidocr, where it is installed: it is large, and optional."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from jobs.engine.errors import BadInput

PACKAGES = ("rapidocr", "rapidocr_onnxruntime")
MISSING = "Text recognition is not installed here; whoever runs this server can add it with `pip install rapidocr`."


def how() -> str:
    """What to do to have pictures of text read."""
    return "To have it read, turn text recognition on." if available() else MISSING


def available() -> bool:
    return any(importlib.util.find_spec(name) for name in PACKAGES)


def reader() -> Callable[[Any], str]:
    """A function from a picture, as an array of pixels, to its text."""
    if not available():
        raise BadInput(MISSING, reason="no_ocr")
    name = next(name for name in PACKAGES if importlib.util.find_spec(name))
    engine = importlib.import_module(name).RapidOCR()
    return lambda picture: "\n".join(_lines(engine(picture)))


def _lines(came: Any) -> list[str]:
    """The lines, as the newer or the older package gives them."""
    if hasattr(came, "txts"):
        return [str(text) for text in came.txts or ()]
    return [str(line[1]) for line in came[0] or ()]
