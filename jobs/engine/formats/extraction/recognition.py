"""Text recognition (OCR): PP-OCR's ONNX models out of the package rapidocr, which the extra [ocr] installs.

They read English, German, French, Spanish and other Latin scripts, Chinese and Japanese; not Korean.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobs.engine.errors import BadInput

if TYPE_CHECKING:
    from numpy import ndarray

IMPORTED = ("rapidocr.main", "rapidocr.inference_engine.onnxruntime")
MEMORY = 4 << 30  # of addresses: 0.8 GB of it in use
MISSING = (
    "Text recognition is not installed here: the extra [ocr] is missing. The operator adds it with "
    "`pip install -r requirements-ocr.txt`."
)
_SETTINGS = {
    "Global.log_level": "critical",
    "Global.use_cls": False,  # whether a line stands upside down
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # several files are read at a time
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


def how() -> str:
    """What to do to have pictures of text read."""
    return "To have it read, turn text recognition on." if available() else MISSING


def available() -> bool:
    return importlib.util.find_spec("rapidocr") is not None


def reader() -> Callable[[ndarray], str]:
    """A function from a picture, as an array of pixels, to its text."""
    if not available():
        raise BadInput(MISSING, reason="no_ocr")
    from rapidocr import RapidOCR

    engine = RapidOCR(params=_SETTINGS)
    return lambda picture: "\n".join(getattr(engine(picture), "txts", None) or ())
