"""Other users of the machine read nothing that Legwork keeps, and other processes of its own user not its memory."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stories.app_process import NO_MODEL, Start
from tests.stories.site_client import Site, until
from tests.stories.test_parsers_in_children import picture

pytestmark = pytest.mark.slow

OTHERS = 0o077
LOOK = """
import os, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        try:
            open(os.path.join(folder, name), "rb").close()
            print(os.path.join(folder, name))
        except OSError:
            pass
"""


def open_to_others(data_dir: Path) -> Iterator[str]:
    """Files and folders that somebody else may read, write or enter."""
    for path in data_dir.rglob("*"):
        if not path.is_symlink() and path.stat().st_mode & OTHERS and not stat.S_ISSOCK(path.stat().st_mode):
            yield f"{path} {stat.filemode(path.stat().st_mode)}"


def test_other_users_read_nothing(start_app: Start, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        app = start_app(from_nothing=True, **NO_MODEL)
        site = Site(app.url)
        page = site.upload("page.pdf", picture("PDF"))
        jobs = [
            site.submit("process_files", files=[page]),
            site.submit("convert_files", files=["sample:orders.csv"], to="xlsx"),
            site.submit("query_data", files=["sample:orders.csv"], sql="select 1 as a"),
            site.submit("export_data", what="jobs", format="parquet"),
        ]
        assert {job["state"] for job in site.all_ended(jobs)} == {"succeeded"}
        assert any((app.data_dir / "files").rglob("*")) and list(open_to_others(app.data_dir)) == []
        assert stat.S_IMODE(app.data_dir.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
        app.stop()
        older = app.data_dir / "files" / "older"
        older.write_text("an upload")
        for path in (app.data_dir, *app.data_dir.rglob("*")):
            if not path.is_symlink() and path.stat().st_uid == os.geteuid():
                path.chmod(0o755 if path.is_dir() else 0o644)
        again = start_app(data_dir=app.data_dir, **NO_MODEL)
        assert {path.name for path in again.data_dir.iterdir() if path.lstat().st_mode & OTHERS} <= {"postgres"}
        if os.geteuid() == 0:
            assert readable_by_nobody(again.data_dir) == ""
    finally:
        os.umask(before)


def readable_by_nobody(data_dir: Path) -> str:
    return subprocess.run([sys.executable, "-c", LOOK, data_dir], capture_output=True, text=True, check=True).stdout


PEEK = """
import ctypes, sys
ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())  # of root, the name is left
for pid in sys.argv[1:]:
    try:
        open(f"/proc/{pid}/environ", "rb").read()
        print(pid)
    except PermissionError:
        pass
"""


def test_processes_keep_their_environment_to_themselves(start_app: Start) -> None:
    """From another process of the same user, as a child that reads untrusted files is."""
    app = start_app(ALLOW_TRACING="0", **NO_MODEL)
    until(lambda: app.processes("clock") and app.processes("rq worker"), "the workers")
    ours = {str(each.pid): each.role for each in app.processes() if each.role not in ("postgres", "redis", "other")}
    assert {"web", "worker", "rq worker", "clock"} <= set(ours.values())
    said = subprocess.run([sys.executable, "-c", PEEK, *ours, str(app.pid)], capture_output=True, text=True, check=True)
    assert {ours.get(pid, "the command") for pid in said.stdout.split()} == set()
    for each in app.processes("redis"):
        assert not re.search("DATABASE_URL|SECRET_KEY|LEGWORK_", Path(f"/proc/{each.pid}/environ").read_text())
