"""What people upload is parsed in confined children: no parser of theirs is in the memory of a process that stays."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import openpyxl
import pytest
from PIL import Image

from tests.stories.app_process import App, Start
from tests.stories.site_client import Site

pytestmark = pytest.mark.slow

PARSERS = ("duckdb", "pyexpat", "pdfium", "PIL/", "openpyxl", "lxml")
CALLS = 3
STAY = {"web", "worker", "rq worker", "horse", "spare", "clock"}
LOOK_SECONDS = 0.02


def workbook() -> bytes:
    book, written = openpyxl.Workbook(), io.BytesIO()
    for row in (["tool", "arguments"], *[["calculate", "1 + 1"]] * CALLS):
        book.active.append(row)
    book.save(written)
    return written.getvalue()


def parquet(folder: Path) -> bytes:
    rows = f"select 'calculate' as tool, {{'formula': '1 + 1'}} as arguments from range({CALLS})"
    duckdb.sql(rows).write_parquet(str(folder / "calls.parquet"))
    return (folder / "calls.parquet").read_bytes()


def picture(format: str) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(written, format)
    return written.getvalue()


@contextlib.contextmanager
def looking_into(app: App) -> Iterator[set[tuple[str, str]]]:
    """Which parsers come to be in the memory of which of the app's own processes."""
    found: set[tuple[str, str]] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            for program in app.processes():
                if program.role in STAY:
                    with contextlib.suppress(OSError):
                        maps = Path(f"/proc/{program.pid}/maps").read_text()
                        found.update((program.role, parser) for parser in PARSERS if parser in maps)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield found
    finally:
        over.set()
        watching.join()


def test_no_parser_is_in_a_process_that_stays(start_app: Start, tmp_path: Path) -> None:
    app = start_app()
    site = Site(app.url)
    tables = {"calls.xlsx": workbook(), "calls.parquet": parquet(tmp_path)}
    files = {"page.pdf": picture("PDF"), "picture.png": picture("PNG")}
    with looking_into(app) as found:
        refs = {name: site.upload(name, data) for name, data in (tables | files).items()}
        called = site.submit(
            "run_tools", calls=refs["calls.parquet"]
        )  # its check reads the first rows in the web process
        assert site.try_submit("run_tools", {"calls": refs["calls.xlsx"]}).status == 422
        jobs = [called]
        jobs += [site.submit("import_data", source=refs[name], mapping={"title": "tool"}) for name in tables]
        jobs += [site.submit("query_data", files=[refs[name]], sql="select count(*) from calls") for name in tables]
        jobs.append(site.submit("build_report", source=refs["calls.xlsx"], group_by="tool", format="xlsx"))
        jobs.append(site.submit("process_files", files=[refs[name] for name in files]))
        jobs.append(site.submit("convert_files", files=[refs["calls.xlsx"]], to="parquet"))
        jobs.append(site.submit("convert_files", files=[refs["picture.png"]], to="jpeg"))
        jobs.append(site.submit("export_data", what="jobs", format="parquet"))
        for ref in refs.values():
            assert site.get(f"/files/{ref}/preview").status == 200
        assert {job["state"] for job in site.all_ended(jobs)} == {"succeeded"}
        assert len(site.items(called)) == CALLS
    assert found == set()
