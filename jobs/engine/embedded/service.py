"""Common parts of the embedded services: a process that ends with its parent, its log, and folders for sockets."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from jobs.engine import settings
from jobs.engine.errors import LegworkError, SettingsError
from jobs.engine.sandbox.parent_death import tied_to_this_process

READY_SECONDS = 60.0
LOG_BYTES = 10_000_000
SOCKET_PATH_BYTES = 100  # the kernel takes 107; a few are left for the file's name to grow


class ServiceFailed(LegworkError):
    """A service could not be started or did not become ready. The message has the end of its log."""

    reason = "service_failed"


class Service:
    """One program, started and stopped by this process. Not for use from several threads.

    A child is told to end when the *thread* that started it ends, so call `launch` in a thread that stays.
    """

    name = "service"
    stop_signals: tuple[tuple[int, float], ...] = ((signal.SIGTERM, 10.0),)

    def __init__(self, data_dir: Path):
        self.data_dir = data_dir
        self.process: subprocess.Popen[bytes] | None = None
        self._asked: float | None = None

    @property
    def url(self) -> str:
        """Where clients reach it; the same after a restart."""
        raise NotImplementedError

    @property
    def log_path(self) -> Path:
        return self.data_dir / "log" / f"{self.name}.log"

    def launch(self) -> None:
        """Start the program and come back at once."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it answers now."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Called once, when it answers for the first time after a launch."""

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Come back when it answers; raise ServiceFailed when it ended or takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            if not self.alive():
                raise ServiceFailed(f"The built-in {self.name} ended while it was starting. {self._last_words()}")
            if time.monotonic() > deadline:
                raise ServiceFailed(
                    f"The built-in {self.name} did not answer for {seconds:.0f} s. {self._last_words()}"
                )
            time.sleep(0.02)
        self.prepare()

    def ask_to_stop(self) -> None:
        """Send the first of its signals, once, and come back at once."""
        if self.alive() and self._asked is None:
            cast("subprocess.Popen[bytes]", self.process).send_signal(self.stop_signals[0][0])
            self._asked = time.monotonic()

    def stop(self) -> None:
        """End it in its own way, then by force, and wait until it is gone."""
        self.ask_to_stop()
        if self.process is not None:
            waited = time.monotonic() - (self._asked or 0.0)
            end(self.process, self.stop_signals, waited)
        self.forget()

    def forget(self) -> None:
        """Clean up after a process that has ended."""
        if self.process is not None:
            kill_group(self.process)
            self.process.wait()
        self.process = self._asked = None

    def _last_words(self) -> str:
        return f"The end of {self.log_path}:\n{tail(self.log_path)}"


def spawn(
    command: Sequence[str | Path],
    log: Path,
    *,
    death_signal: int = signal.SIGTERM,
    environ: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, writing to `log`; it gets `death_signal` when this process dies."""
    with open_log(log) as output:
        return subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=options.pop("stdout", output),
            stderr=output,
            env=dict(environ) if environ is not None else settings.environment_without_settings(),
            start_new_session=True,
            preexec_fn=tied_to_this_process(death_signal),
            **options,
        )


def end(process: subprocess.Popen[bytes], signals: Sequence[tuple[int, float]], waited: float) -> None:
    """Give a process, sent the first signal `waited` seconds ago, the rest of its time; then send the others."""
    first, *others = (seconds for _, seconds in signals)
    if _ended_within(process, max(0.0, first - waited)):
        return
    for (number, _), seconds in zip(signals[1:], others, strict=True):
        process.send_signal(number)
        if _ended_within(process, seconds):
            return


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the rest of a child's session, so that nothing it started outlives it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to; one that has grown too long is put aside first, and the one before it forgotten."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, indented."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 8000))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return "  (there is no log)"
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (it is empty)"


def hold(folder: Path) -> IO[str]:
    """Lock a folder for this process, until the returned file is closed or the process dies.

    Raises SettingsError when another Legwork has it.
    """
    lock = (folder / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise SettingsError(
            f"{folder} is in use by another Legwork (process {holder or 'unknown'}). "
            "Stop that one first, or set DATA_DIR to another folder."
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def make_data_dir(data_dir: Path) -> None:
    """Make the folder, closed to others; root's Postgres, another user, must pass through it and those above it."""
    before = os.umask(0o022)
    try:
        data_dir.mkdir(mode=0o711 if os.getuid() == 0 else 0o700, parents=True, exist_ok=True)
    finally:
        os.umask(before)


def socket_folder(data_dir: Path, longest_name: str) -> Path:
    """A folder for sockets that only this user can enter: in `data_dir`, or in the temp folder if that is too long."""
    inside = data_dir / "run"
    folder = inside if fits(inside / longest_name) else _short_folder(data_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def fits(path: Path) -> bool:
    """Short enough for the kernel, and without the comma at which Postgres clients split a list of hosts."""
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES and "," not in str(path)


def _short_folder(data_dir: Path) -> Path:
    """Named after `data_dir`, so that it is found again; a random one if somebody else sits on the name."""
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"legwork-{os.getuid()}-{digest}"
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="legwork-"))
    return folder
