"""The options of each target format. Unknown names and invalid values are refused with the option's name."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.engine.errors import FieldError
from jobs.engine.validation import params_errors


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class DocumentOptions(Options):
    toc: bool = False
    number_sections: bool = False


class PictureOptions(Options):
    """max_width, max_height: pixels. background: colour behind transparency. keep_metadata: place, time, device."""

    max_width: int | None = Field(None, ge=1, le=30_000)
    max_height: int | None = Field(None, ge=1, le=30_000)
    background: str = Field("#ffffff", pattern=r"^#[0-9a-fA-F]{6}$")
    keep_metadata: bool = False


class Lossy(PictureOptions):
    quality: int = Field(85, ge=1, le=100)


class Webp(Lossy):
    lossless: bool = False


class Pdf(DocumentOptions):
    """The first five are for documents, the others for pictures; a picture's page has its size at `dpi`."""

    page_size: Literal["a3", "a4", "a5", "us-letter", "us-legal"] = "a4"
    landscape: bool = False
    margin_mm: int = Field(25, ge=5, le=60)
    font_size: int = Field(11, ge=6, le=24)
    dpi: int = Field(150, ge=36, le=1200)
    quality: int = Field(85, ge=1, le=100)
    max_width: int | None = Field(None, ge=1, le=30_000)
    max_height: int | None = Field(None, ge=1, le=30_000)
    background: str = Field("#ffffff", pattern=r"^#[0-9a-fA-F]{6}$")


class TableOptions(Options):
    """types: which columns of CSV and TSV become numbers. "exact": those whose values can all be converted back unchanged;
    "numbers": all that look like numbers; "text": none."""

    types: Literal["exact", "numbers", "text"] = "exact"


class Xlsx(TableOptions):
    types: Literal["exact", "numbers", "text"] = "numbers"


class Json(TableOptions):
    indent: int | None = Field(None, ge=1, le=8)


class Csv(Options):
    """formulas: "defuse" puts an apostrophe before values that a spreadsheet program would run; "keep" does not."""

    delimiter: Literal[",", ";", "\t", "|"] = ","
    bom: bool = True
    formulas: Literal["defuse", "keep"] = "defuse"


class Tsv(Options):
    bom: bool = False
    formulas: Literal["defuse", "keep"] = "defuse"


OPTIONS: dict[str, type[Options]] = {
    **dict.fromkeys(("md", "docx", "html", "odt", "epub", "rst", "txt"), DocumentOptions),
    **{"pdf": Pdf, "csv": Csv, "tsv": Tsv, "json": Json, "jsonl": TableOptions, "xlsx": Xlsx, "parquet": TableOptions},
    **{
        "png": PictureOptions,
        "gif": PictureOptions,
        "bmp": PictureOptions,
        "tiff": PictureOptions,
        "jpeg": Lossy,
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
