"""HTTP headers made of people's texts. A header holds Latin-1 at most, and gunicorn answers 500 for anything else."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from werkzeug import Response
from werkzeug.http import dump_options_header

from jobs.engine import file_names


def name_file(response: Response, name: str, shown: Literal["attachment", "inline"] = "attachment") -> None:
    """Set Content-Disposition by RFC 6266: the name in ASCII, and as it is in `filename*` if that is another."""
    safe = file_names.safe_name(name)
    plain = file_names.ascii_name(safe)
    names = {"filename": plain} if plain == safe else {"filename": plain, "filename*": f"UTF-8''{quote(safe, safe='')}"}
    response.headers["Content-Disposition"] = dump_options_header(shown, names)
