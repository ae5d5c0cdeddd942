"""Pictures, by Pillow: their size and a small one of them; their text only where that can be recognised here."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import recognition
from jobs.engine.formats.extraction.runner import Extracted

MOST_PIXELS = 100_000_000
THUMBNAIL = (256, 256)
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")


def read(path: Path, name: str, ocr: bool) -> Extracted:
    from PIL import Image

    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        picture = Image.open(path, formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        said = f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels, the most that is taken."
        raise BadInput(said, reason="too_large") from error
    except OSError as error:
        raise BadInput("The picture is broken and cannot be opened.", reason="broken") from error
    meta = {"width": picture.width, "height": picture.height, "mode": picture.mode}
    frames = getattr(picture, "n_frames", 1)
    text, note = "", ""
    if ocr:
        text = recognition.reader()(_array(picture))
        note = "" if text.strip() else "No letters were recognised in it."
    picture.thumbnail(THUMBNAIL)
    media_type = Image.MIME.get(picture.format or "", "image/png")
    return Extracted(media_type, text, "", frames if frames > 1 else None, meta, as_png(picture), note)


def as_png(picture: Any) -> str:
    """A small picture as PNG, in base64."""
    kept = io.BytesIO()
    picture.convert("RGBA" if "A" in picture.mode or picture.mode == "P" else "RGB").save(kept, "PNG", optimize=True)
    return base64.b64encode(kept.getvalue()).decode()


def _array(picture: Any) -> Any:
    import numpy

    return numpy.asarray(picture.convert("RGB"))
