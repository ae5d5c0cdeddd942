"""A client of a running Legwork, by its JSON API: it tries again where that is safe, and resumes uploads."""

from __future__ import annotations

import hashlib
import json
import os
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from jobs.engine.errors import LegworkError
from jobs.engine.settings import is_loopback

TIMEOUT = urllib3.Timeout(connect=10, read=60)  # seconds
PAUSES = (0.5, 1, 2, 4, 8, 15, 30)  # seconds between tries
BUSY = (408, 429, 502, 503, 504)
CHUNK = 1 << 20
PIECE = 64 << 20  # bytes of an upload in one request
UPLOAD_TYPE = "application/offset+octet-stream"
TUS = {"Tus-Resumable": "1.0.0"}

Headers = Mapping[str, str] | None
Tell = Callable[[int, int], None]  # bytes done, bytes in all


class RequestRefused(LegworkError):
    """The server said no. `fields`: the sentence for each field."""

    def __init__(self, message: str, status: int, fields: Mapping[str, str]):
        super().__init__(message)
        self.status, self.fields = status, fields


class ServerAway(LegworkError):
    """The server does not answer."""


class SiteClient:
    """One Legwork, as the owner of the token. Without accounts it needs none."""

    def __init__(self, url: str, token: str | None = None):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RequestRefused(
                f"{url!r} is not the address of a server. Write it as https://legwork.example.org.", 0, {}
            )
        if token and parts.scheme == "http" and not is_loopback(parts.hostname):
            raise RequestRefused(f"{url} is not encrypted, so the token could be read on the way. Use https://.", 0, {})
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._known = False  # whether it has answered
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        asked = f"?{urlencode({k: v for k, v in query.items() if v}, doseq=True)}" if query else ""
        return self.send("GET", f"/api/v1{path}{asked}").json()

    def post(self, path: str, body: object = None, headers: Headers = None) -> Any:
        """Safe to be sent again: what it does once, or by its key, it does once."""
        sent = json.dumps(body).encode() if body is not None else None
        kind = {"Content-Type": "application/json"} if sent else {}
        return self.send("POST", f"/api/v1{path}", sent, {**kind, **(headers or {})}).json()

    def send(self, method: str, path: str, body: Any = None, headers: Headers = None) -> urllib3.BaseHTTPResponse:
        """The answer, whole. Once it has answered, tries again while it is away or busy. Raises RequestRefused and ServerAway."""
        for pause in (*PAUSES, None):
            try:
                answer = self.once(method, path, body, headers)
                self._known = True
                return answer
            except ServerAway:
                if pause is None or not self._known:
                    raise
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def once(
        self, method: str, path: str, body: Any = None, headers: Headers = None, *, stream: bool = False
    ) -> urllib3.BaseHTTPResponse:
        """One try. Raises RequestRefused, and ServerAway where another try may help."""
        try:
            answer = self._pool.request(
                method,
                urljoin(self.url, path),
                body=body,
                headers={**self._headers, **(headers or {})},
                redirect=False,
                preload_content=not stream,
            )
        except (HTTPError, OSError) as error:
            raise ServerAway(f"{self.url} does not answer: {_reason(error)}") from error
        if answer.status < 300:
            return answer
        raise _error(self.url, answer)

    def upload(self, path: Path, tell: Tell) -> str:
        """Upload a file, and go on where the line was cut. Returns its id."""
        size = path.stat().st_size
        name = f"filename {b64encode(path.name.encode()).decode()}"
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": name}
        begun = self.send("POST", "/api/v1/uploads", headers=headers)
        place = begun.headers["Location"]
        offset = tries = 0
        with path.open("rb") as file:
            while offset < size:
                tell(offset, size)
                file.seek(offset)
                before = offset
                offset = self._send_piece(place, file, offset, min(PIECE, size - offset))
                tries = 0 if offset > before else tries + 1
                if tries > len(PAUSES):
                    raise ServerAway(f"{self.url} takes no more bytes of {path.name}.")
                time.sleep(PAUSES[tries - 1] if tries else 0)
        tell(size, size)
        return self._file_of(place)

    def _send_piece(self, place: str, file: Any, offset: int, length: int) -> int:
        """Send some bytes. Returns the offset that the server has then."""
        headers = {**TUS, "Content-Type": UPLOAD_TYPE, "Upload-Offset": str(offset), "Content-Length": str(length)}
        try:
            self.once("PATCH", place, _Head(file, length), headers)
        except (ServerAway, RequestRefused) as error:
            if isinstance(error, RequestRefused) and error.status != 409:
                raise
        return int(self.send("HEAD", place, headers=TUS).headers["Upload-Offset"])

    def _file_of(self, place: str) -> str:
        for pause in (*PAUSES, 30, 60):
            if found := self.send("GET", place).json()["file"]:
                return str(found["id"])
            time.sleep(pause)
        raise ServerAway("The upload is whole, and the server has made no file of it yet. Try again in a moment.")

    def download(self, path: str, target: Path, sha256: str = "") -> None:
        """Write what is at that path into the file, at once and only if it came whole."""
        answer = self.once("GET", path, stream=True)
        part = target.with_name(f"{target.name}.part")
        hashed = hashlib.sha256()
        try:
            with part.open("wb") as file:
                for chunk in answer.stream(CHUNK):
                    hashed.update(chunk)
                    file.write(chunk)
            if sha256 and hashed.hexdigest() != sha256:
                raise ServerAway(f"{target.name} did not come whole. Try again.")
            os.replace(part, target)
        except HTTPError as error:
            raise ServerAway(f"{target.name} did not come whole: {_reason(error)}") from error
        finally:
            part.unlink(missing_ok=True)
            answer.release_conn()


class _Head:
    """The next bytes of a file, as a body of its own."""

    def __init__(self, file: Any, length: int):
        self._file, self._left = file, length

    def read(self, n: int = -1) -> bytes:
        wanted = self._left if n < 0 else min(n, self._left)
        chunk: bytes = self._file.read(wanted)
        self._left -= len(chunk)
        return chunk


def _error(url: str, answer: urllib3.BaseHTTPResponse) -> LegworkError:
    """What an answer says that is no success."""
    if 300 <= answer.status < 400:
        return RequestRefused(
            f"{url} leads elsewhere: {answer.headers.get('Location', '')}. Set LEGWORK_URL to that.", 0, {}
        )
    try:
        problem = json.loads(answer.data)
        sentence = str(problem["detail"])
        fields = {str(one["field"]): str(one["message"]) for one in problem.get("errors", [])}
    except (ValueError, KeyError, TypeError):
        sentence, fields = f"{url} answered with {answer.status}.", {}
    return ServerAway(sentence) if answer.status in BUSY else RequestRefused(sentence, answer.status, fields)


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).rpartition(": ")[2]
