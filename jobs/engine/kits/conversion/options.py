"""The options of each target format. Unknown names and invalid values are refused with the option's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.engine.errors import FieldError
from jobs.engine.validation import params_errors


def _option(
    title: str, help: str = "", *, default: Any, unit: str = "", words: Mapping[str, str] | None = None, **limits: Any
) -> Any:
    """As kinds.param, which would bring the database into the children that convert."""
    extra: dict[str, Any] = {name: value for name, value in (("unit", unit), ("words", dict(words or {}))) if value}
    return Field(default, title=title, description=help or None, json_schema_extra=extra, **limits)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class DocumentOptions(Options):
    toc: bool = _option("Table of contents", default=False)
    number_sections: bool = _option("Number the sections", default=False)


class PictureOptions(Options):
    """max_width, max_height: pixels. background: colour behind transparency. keep_metadata: place, time, device."""

    max_width: int | None = _option("Greatest width", default=None, ge=1, le=30_000, unit="pixels")
    max_height: int | None = _option("Greatest height", default=None, ge=1, le=30_000, unit="pixels")
    background: str = _option(
        "Colour behind transparency", "Such as #ffffff.", default="#ffffff", pattern=r"^#[0-9a-fA-F]{6}$"
    )
    keep_metadata: bool = _option("Keep place, time and device of photos", default=False)


class Png(PictureOptions):
    dpi: int = _option("Resolution of pages", "Of PDFs and presentations.", default=150, ge=36, le=600, unit="dpi")


class Lossy(PictureOptions):
    quality: int = _option("Quality of pictures", default=85, ge=1, le=100)


class Jpeg(Lossy):
    dpi: int = _option("Resolution of pages", "Of PDFs and presentations.", default=150, ge=36, le=600, unit="dpi")


class Webp(Lossy):
    lossless: bool = _option("Without loss", default=False)


LOOKS = {"own": "As in the file, by LibreOffice", "plain": "By the options below"}
SHEETS = {"one": "The sheet that is read", "each": "Each sheet as a file of its own"}


class Pdf(DocumentOptions):
    """look: of office files, where LibreOffice is installed. The next six are for documents and tables, the others for pictures,
    whose page has their size at `dpi`."""

    look: Literal["own", "plain"] = _option("Look of office files", default="own", words=LOOKS)
    page_size: Literal["a3", "a4", "a5", "us-letter", "us-legal"] = _option(
        "Page size",
        default="a4",
        words={"a3": "A3", "a4": "A4", "a5": "A5", "us-letter": "US letter", "us-legal": "US legal"},
    )
    landscape: bool = _option("Landscape", default=False)
    margin_mm: int = _option("Margins", default=25, ge=5, le=60, unit="mm")
    font_size: int = _option("Font size", default=11, ge=6, le=24, unit="points")
    dpi: int = _option("Resolution of pictures", default=150, ge=36, le=1200, unit="dpi")
    quality: int = _option("Quality of pictures", default=85, ge=1, le=100)
    max_width: int | None = _option("Greatest width", default=None, ge=1, le=30_000, unit="pixels")
    max_height: int | None = _option("Greatest height", default=None, ge=1, le=30_000, unit="pixels")
    background: str = _option(
        "Colour behind transparency", "Such as #ffffff.", default="#ffffff", pattern=r"^#[0-9a-fA-F]{6}$"
    )


TYPES = {"exact": "Where all values can be converted back", "numbers": "All that look like numbers", "text": "None"}
FORMULAS = {"defuse": "Put an apostrophe before them", "keep": "Keep as they are"}


class SheetOptions(Options):
    sheets: Literal["one", "each"] = _option("Of a workbook", default="one", words=SHEETS)


class TableOptions(SheetOptions):
    """types: which columns of CSV and TSV become numbers. "exact": those whose values can all be converted back unchanged;
    "numbers": all that are numbers or dates, also as people write them; "text": none."""

    types: Literal["exact", "numbers", "text"] = _option("Columns with numbers and dates", default="exact", words=TYPES)


class Xlsx(TableOptions):
    types: Literal["exact", "numbers", "text"] = _option(
        "Columns with numbers and dates", default="numbers", words=TYPES
    )


class Json(TableOptions):
    indent: int | None = _option("Indent", default=None, ge=1, le=8, unit="spaces")


class Csv(SheetOptions):
    """formulas: "defuse" puts an apostrophe before values that a spreadsheet program would run; "keep" does not."""

    delimiter: Literal[",", ";", "\t", "|"] = _option(
        "Separator", default=",", words={",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Bar"}
    )
    bom: bool = _option("Byte order mark, for Excel", default=True)
    formulas: Literal["defuse", "keep"] = _option(
        "Cells that a spreadsheet would run", default="defuse", words=FORMULAS
    )


class Tsv(SheetOptions):
    bom: bool = _option("Byte order mark, for Excel", default=False)
    formulas: Literal["defuse", "keep"] = _option(
        "Cells that a spreadsheet would run", default="defuse", words=FORMULAS
    )


OPTIONS: dict[str, type[Options]] = {
    **dict.fromkeys(("md", "docx", "html", "odt", "epub", "rst", "txt"), DocumentOptions),
    **{"pdf": Pdf, "csv": Csv, "tsv": Tsv, "json": Json, "jsonl": TableOptions, "xlsx": Xlsx, "parquet": TableOptions},
    **{
        "png": Png,
        "gif": PictureOptions,
        "bmp": PictureOptions,
        "tiff": PictureOptions,
        "jpeg": Jpeg,
        "avif": Lossy,
        "webp": Webp,
    },
}


def errors(to: str, values: dict[str, Any]) -> list[FieldError]:
    """The errors in the options for this target, each with the option's name."""
    try:
        OPTIONS[to].model_validate(values)
    except ValidationError as error:
        return [_named(one, to) for one in params_errors(error)]
    return []


def filled(to: str, values: dict[str, Any]) -> dict[str, Any]:
    """All options of the target, with defaults for those not given."""
    return OPTIONS[to].model_validate(values).model_dump()


def _named(error: FieldError, to: str) -> FieldError:
    name = error.field.split(".")[0]
    known = OPTIONS[to].model_fields
    if name not in known:
        sentence = f"For {to} there is no option “{name[:40]}”. There are: {', '.join(known)}."
    else:
        sentence = f"The option “{name}”: {error.message[0].lower()}{error.message[1:]}"
    return FieldError(f"options.{name[:40]}", sentence)
