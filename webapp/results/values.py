"""Writes a value for a person by its column: a number in thousands, a date in the viewer's zone, a file by its name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from markupsafe import Markup

from jobs.engine.display import as_text
from jobs.engine.kinds import ItemColumn, label_of
from webapp.ui import words
from webapp.ui.safe_text import cell

DEEPEST = 6  # levels of nested values that are shown in a line
CELL = 600  # characters of a text in a cell; its row's page has all of it
LANGUAGES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fi": "Finnish",
    "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish",
    "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
FILE_TYPES = {
    "text/csv": "CSV table", "application/json": "JSON", "application/x-ndjson": "JSON lines", "application/jsonl": "JSON lines",
    "application/pdf": "PDF", "text/markdown": "Markdown", "text/plain": "Text", "text/html": "Web page",
    "application/zip": "ZIP archive", "application/gzip": "Compressed file", "application/epub+zip": "EPUB book",
    "application/vnd.apache.parquet": "Parquet table", "application/octet-stream": "File", "message/rfc822": "Mail",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel table",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint slides",
    "application/vnd.oasis.opendocument.text": "OpenDocument text",
    "application/vnd.oasis.opendocument.spreadsheet": "OpenDocument table",
    "application/vnd.ms-excel": "Excel table", "application/rtf": "Rich text", "image/svg+xml": "SVG picture",
}  # fmt: skip
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_MARKS = re.compile(r"(?m)^ {0,3}(#{1,6} +|> ?|[-*+] +(?=\S)|```\w*$)|\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")
_MACHINE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", re.ASCII)


def written(value: object, column: ItemColumn) -> str | Markup:
    """The value in one line, without the unit; an empty text for nothing."""
    if is_nothing(value):
        return ""
    if column.words and (label := column.words.get(as_text(value).strip('"').lower())):
        return label
    write = WRITERS.get(column.type, _plain)
    return write(value, column)


def with_unit(value: object, column: ItemColumn) -> str | Markup:
    """The same with the unit, for a figure."""
    text = written(value, column)
    if not text or not column.unit:
        return text
    return f"{column.unit}{text}" if column.unit in ("$", "€", "£") else f"{text} {column.unit}"


def is_nothing(value: object) -> bool:
    return (
        value is None or value == "" or value == [] or value == {} or (isinstance(value, float) and math.isnan(value))
    )


def file_type(media_type: str, name: str = "") -> str:
    """What people call a file of this media type: “PDF”, “Excel table”."""
    plain = media_type.partition(";")[0].strip().lower()
    if known := FILE_TYPES.get(plain):
        return known
    main, _, kind = plain.partition("/")
    ending = name.rpartition(".")[2].upper()[:8] if "." in name else ""
    short = ending or (kind.upper() if len(kind) <= 5 else "")
    return {"image": f"{short} picture", "audio": f"{short} sound", "video": f"{short} film"}.get(
        main, short or "File"
    ).strip()


def as_number(value: object) -> Decimal | None:
    """The value as a number, if it is one or is written as one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found.adjusted()) < 60 else None


def as_moment(value: object) -> datetime | date | None:
    """The value as a day or a moment, if it is one in ISO 8601."""
    text = str(value).strip() if isinstance(value, str) else ""
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        return None


def structured(value: object) -> Any:
    """Nested values, also where a text holds them as JSON; None if the value is plain. Lines of JSON are a list."""
    if isinstance(value, (dict, list)):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if text[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        lines = text.splitlines()
        try:
            found = [json.loads(line) for line in lines] if 1 < len(lines) <= 1_000 else None
        except ValueError:
            return None
    except RecursionError:
        return None
    return found if isinstance(found, (dict, list)) else None


def flat(value: object, limit: int = CELL) -> str:
    """Nested values in one line: “city: Berlin, tags: a, b”."""
    parts: list[str] = []
    _flatten(value, parts, limit)
    return cell(", ".join(parts), limit)


def plain_text(text: str, limit: int = CELL) -> str:
    """Markdown without its marks, for a cell."""
    return cell(_MARKS.sub("", text[: 2 * limit]), limit)


def _flatten(value: object, parts: list[str], limit: int, name: str = "", depth: int = 0) -> None:
    if sum(map(len, parts)) > limit:
        return
    if depth > DEEPEST and isinstance(value, (dict, list)):
        parts.append("…")
        return
    if isinstance(value, dict):
        for key, one in value.items():
            label = label_of(str(key)[:80])
            _flatten(one, parts, limit, f"{name}, {label.lower()}" if name else label, depth + 1)
    elif isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        for one in value[:20]:
            _flatten(one, parts, limit, name, depth + 1)
    else:
        text = ", ".join(map(_short, value)) if isinstance(value, list) else _short(value)
        parts.append(f"{name}: {text}" if name else text)


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return words.number(value) if isinstance(value, float) else f"{value:,}"
    return as_text(value)


def _plain(value: object, column: ItemColumn) -> str | Markup:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if (nested := structured(value)) is not None:
        return flat(nested)
    if isinstance(value, float):
        return _number(value, column)
    return cell(value, CELL)


def _number(value: object, column: ItemColumn) -> str:
    found = as_number(value)
    if found is None:
        return cell(value, CELL)
    if column.decimals is not None:
        text = f"{found:,.{column.decimals}f}"
    elif found == found.to_integral_value():
        text = f"{found:,.0f}"
    else:
        text = words.number(float(found)) if abs(found) >= Decimal("0.001") else f"{found:.2g}"
    return text if column.grouped else text.replace(",", "")


def _percent(value: object, column: ItemColumn) -> str:
    found = as_number(value)
    return cell(value) if found is None else f"{found * 100:,.{column.decimals or 0}f}%"


def _seconds(value: object, column: ItemColumn) -> str:
    found = as_number(value)
    return cell(value) if found is None else words.duration(float(found))


def _size(value: object, column: ItemColumn) -> str:
    found = as_number(value)
    return cell(value) if found is None else words.size(int(found))


def _date(value: object, column: ItemColumn) -> str | Markup:
    found = value if isinstance(value, (datetime, date)) else as_moment(value)
    if isinstance(found, datetime):
        return words.when(found if found.tzinfo else found.replace(tzinfo=UTC))
    return f"{found.day} {found:%b %Y}" if found else cell(value)


def _yes_no(value: object, column: ItemColumn) -> str:
    return {"true": "yes", "false": "no"}.get(str(value).lower(), cell(value))


def _language(value: object, column: ItemColumn) -> str:
    return LANGUAGES.get(str(value).lower()[:2], cell(value))


def _media_type(value: object, column: ItemColumn) -> str:
    return file_type(str(value))


def _tag(value: object, column: ItemColumn) -> str | Markup:
    """A machine's word as one of ours; words of the person stay as they are."""
    text = as_text(value)
    return label_of(text) if column.role == "made" and _MACHINE.fullmatch(text) else _plain(value, column)


def _markdown(value: object, column: ItemColumn) -> str | Markup:
    return plain_text(value) if isinstance(value, str) and structured(value) is None else _plain(value, column)


def _link(value: object, column: ItemColumn) -> str | Markup:
    text = as_text(value)
    if not re.match(r"https?://[^\s]+$", text):
        return cell(text)
    return Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(
        text, cell(text.partition("//")[2], 60)
    )


_LINK = Markup('<a href="/{}/{}">{}</a>')
_DOWNLOAD = Markup('<a href="/{}/{}" download>{}</a>')


def _linked(place: str, text: str, link: Markup = _LINK) -> Callable[[Any, ItemColumn], str | Markup]:
    def write(value: object, column: ItemColumn) -> Markup:
        return link.format(place, as_text(value), text)

    return write


WRITERS: dict[str, Callable[[Any, ItemColumn], str | Markup]] = {
    "number": _number,
    "money": _number,
    "tokens": _number,
    "percent": _percent,
    "seconds": _seconds,
    "bytes": _size,
    "date": _date,
    "yes_no": _yes_no,
    "language": _language,
    "media_type": _media_type,
    "tag": _tag,
    "word": _tag,
    "markdown": _markdown,
    "text": _markdown,
    "link": _link,
    "file": _linked("files", "Download", _DOWNLOAD),
    "document": _linked("library", "Open"),
    "job": _linked("jobs", "Open"),
}
