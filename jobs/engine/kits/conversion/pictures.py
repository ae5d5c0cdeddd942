"""Converts pictures to other formats and to PDF, by Pillow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 100_000_000
MOST_FRAMES = 2_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")
OPAQUE = ("jpeg", "bmp", "pdf")
MANY_FRAMES = ("gif", "webp", "tiff", "avif", "pdf")
SVG_SCALE = 2  # of its own size, where no other is asked for
METADATA = (0x010F, 0x0110, 0x0132, 0x8769, 0x8825)  # EXIF: maker, device, time, how it was taken, place
MODES = {  # what each format can hold; anything else becomes the first
    "png": ("RGBA", "RGB", "L", "LA", "P", "1", "I;16"),
    "jpeg": ("RGB", "L", "CMYK"),
    "webp": ("RGBA", "RGB"),
    "avif": ("RGBA", "RGB"),
    "gif": ("RGBA", "RGB", "L", "P", "1"),
    "bmp": ("RGB", "L", "P", "1"),
    "tiff": ("RGBA", "RGB", "L", "LA", "P", "1", "I;16", "CMYK", "F", "I"),
    "pdf": ("RGB", "L", "CMYK", "1"),
}


def convert(source: Path, to: str, options: dict[str, Any], folder: Path) -> tuple[Path, list[str]]:
    """The new picture, and a sentence for each kind of loss. Raises BadInput if it is damaged or too large."""
    picture = _opened(source)
    frames = getattr(picture, "n_frames", 1)
    kept = frames if to in MANY_FRAMES else 1
    if frames > MOST_FRAMES:
        raise BadInput(f"The picture has {frames:,} frames; the limit is {MOST_FRAMES:,}.", reason="too_large")
    losses: dict[str, None] = {}
    if kept < frames:
        losses[f"Only the first of {frames:,} frames was kept."] = None
    exif = picture.getexif()
    if any(tag in exif for tag in METADATA) and not options.get("keep_metadata"):
        losses["The camera's metadata (place, time, device) was left out."] = None
    made = (_frame(picture, place, to, options, losses) for place in range(kept))
    target = folder / f"converted.{to}"
    _save(next(made), made, target, to, options, dict(picture.info), exif, kept)
    return target, list(losses)


def drawn(source: Path, to: str, options: dict[str, Any], folder: Path) -> tuple[Path, list[str]]:
    """An SVG drawing as a picture; as a PDF it stays a drawing. Pictures outside of the file are not looked for."""
    import vl_convert

    svg = source.read_bytes().decode("utf-8-sig", "replace")
    target = folder / f"converted.{to}"
    try:
        if to == "pdf":
            target.write_bytes(vl_convert.svg_to_pdf(svg))
            return target, []
        drawing = folder / "drawing.png"
        drawing.write_bytes(vl_convert.svg_to_png(svg, scale=SVG_SCALE))
    except (RuntimeError, ValueError) as error:
        raise BadInput("The drawing is damaged and cannot be drawn.", reason="broken") from error
    return convert(drawing, to, options, folder)


def _opened(source: Path) -> Image:
    """The picture, with only its header read. Raises BadInput."""
    import pi_heif
    from PIL import Image

    pi_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None  # checked below
    warnings.simplefilter("ignore")
    try:
        picture = Image.open(source, formats=FORMATS)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput("The picture is damaged and cannot be opened.", reason="broken") from error
    width, height = picture.size
    if width * height > MOST_PIXELS:
        losses = f"The picture has {width:,} by {height:,} pixels; the limit is {MOST_PIXELS // 1_000_000} million."
        raise BadInput(losses, reason="too_large")
    return picture


def _frame(picture: Image, place: int, to: str, options: dict[str, Any], losses: dict[str, None]) -> Image:
    """One frame, rotated upright, in the requested size and the target's colours."""
    from PIL import Image, ImageOps

    try:
        picture.seek(place)
        picture.load()
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        raise BadInput(f"The picture is damaged: {str(error)[:120]}.", reason="broken") from error
    frame = ImageOps.exif_transpose(picture)
    if to in OPAQUE and frame.has_transparency_data:
        clear = frame.convert("RGBA")
        if clear.getchannel("A").getextrema() != (255, 255):
            losses[f"Transparency was filled with {options.get('background', '#ffffff')}."] = None
        frame = Image.new("RGBA", clear.size, options.get("background", "#ffffff"))
        frame.alpha_composite(clear)
        frame = frame.convert("RGB")
    return _fitted(_coloured(frame, to, losses), options)


def _coloured(frame: Image, to: str, losses: dict[str, None]) -> Image:
    modes = MODES[to]
    if to == "gif" and frame.mode in ("RGB", "RGBA") and frame.getcolors(256) is None:
        losses["Colours were reduced to 256, which is GIF's maximum."] = None
    if frame.mode in modes:
        return frame
    if frame.mode.startswith(("I", "F")):
        losses["Fine shades (16 or 32 bits) were reduced to 256 levels."] = None
        return _eight_bits(frame).convert("L" if "L" in modes else "RGB")
    if frame.mode == "CMYK":
        losses["Colours for print (CMYK) became colours for screens (RGB)."] = None
        return frame.convert("RGB")
    return frame.convert(modes[0] if frame.has_transparency_data or modes[0] != "RGBA" else "RGB")


def _eight_bits(frame: Image) -> Image:
    """Reduced to 8 bits: 16-bit values are divided; other ranges are stretched to 0 to 255."""
    low, high = (float(end) for end in frame.getextrema())  # type: ignore[arg-type]
    full = 65_535.0 if frame.mode.startswith("I") and 255 < high <= 65_535 else max(high, 255.0)
    return (frame.convert("F").point(lambda value: value * (255 / full)) if low >= 0 else frame).convert("L")


def _fitted(frame: Image, options: dict[str, Any]) -> Image:
    """Reduced to the requested size, with its aspect ratio."""
    most = (options.get("max_width") or frame.width, options.get("max_height") or frame.height)
    scale = min(most[0] / frame.width, most[1] / frame.height)
    if scale >= 1:
        return frame
    smooth = frame.convert("RGBA" if frame.has_transparency_data else "RGB") if frame.mode in ("P", "1") else frame
    return smooth.resize((max(1, round(frame.width * scale)), max(1, round(frame.height * scale))))


def _save(
    first: Image,
    rest: Any,
    target: Path,
    to: str,
    options: dict[str, Any],
    info: dict[Any, Any],
    exif: Any,
    frames: int,
) -> None:
    more: dict[str, Any] = {"save_all": True, "append_images": rest} if frames > 1 else {}
    if frames > 1 and to in ("gif", "webp", "avif"):
        more |= {"duration": info.get("duration") or 100, "loop": info.get("loop", 0)}
    if to == "gif":
        more["disposal"] = 2
    if to in ("jpeg", "webp", "avif") or (to == "pdf" and first.mode != "1"):
        more["quality"] = options.get("quality", 85)
    if to == "webp":
        more["lossless"] = options.get("lossless", False)
    if to == "png":
        more["optimize"] = True
    if to == "tiff":
        more["compression"] = "tiff_lzw" if first.mode != "F" else None
    if to == "pdf":
        more["resolution"] = options.get("dpi", 150)
    if options.get("keep_metadata") and to in ("jpeg", "webp", "png", "tiff", "avif"):
        exif.pop(0x0112, None)  # the picture is upright now
        more["exif"] = exif.tobytes()
    if (profile := info.get("icc_profile")) and to in ("jpeg", "webp", "png", "tiff", "avif") and first.mode != "L":
        more["icc_profile"] = profile
    first.save(target, to.upper(), **{key: value for key, value in more.items() if value is not None})
