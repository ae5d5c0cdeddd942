"""Pictures, by Pillow: their size, upright, and a small one of them; their text only where that can be recognised here."""

from __future__ import annotations

import base64
import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import recognition
from jobs.engine.formats.extraction.runner import Extracted

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 100_000_000
THUMBNAIL = (256, 256)
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, ZeroDivisionError, struct.error)  # what Pillow raises
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")


def read(path: Path, name: str, ocr: bool) -> Extracted:
    import pi_heif
    from PIL import Image, ImageOps

    pi_heif.register_heif_opener()
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        opened = Image.open(path, formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        said = f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels, the most that is taken."
        raise BadInput(said, reason="too_large") from error
    except DAMAGED as error:
        raise BadInput("The picture is broken and cannot be opened.", reason="broken") from error
    frames, media_type = getattr(opened, "n_frames", 1), Image.MIME.get(opened.format or "", "image/png")
    try:
        picture = ImageOps.exif_transpose(opened)
        meta = {"width": picture.width, "height": picture.height, "mode": picture.mode}
        text, note = _recognised(picture) if ocr else ("", "")
        picture.thumbnail(THUMBNAIL)
        thumbnail = as_png(picture)
    except DAMAGED as error:
        raise BadInput("The picture is broken and cannot be opened.", reason="broken") from error
    return Extracted(media_type, text, "", frames if frames > 1 else None, meta, thumbnail, note)


def _recognised(picture: Image) -> tuple[str, str]:
    text = recognition.reader()(_array(picture))
    return text, "" if text.strip() else "No letters were recognised in it."


def as_png(picture: Any) -> str:
    """A small picture as PNG, in base64."""
    kept = io.BytesIO()
    picture.convert("RGBA" if "A" in picture.mode or picture.mode == "P" else "RGB").save(kept, "PNG", optimize=True)
    return base64.b64encode(kept.getvalue()).decode()


def _array(picture: Any) -> Any:
    import numpy

    return numpy.asarray(picture.convert("RGB"))
