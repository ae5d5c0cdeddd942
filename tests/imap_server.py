"""A small IMAP server with one folder: what Legwork asks of one, and nothing else.

with ImapServer([mail, ...]) as server:
    environment(IMAP_URL=server.url)
"""

from __future__ import annotations

import re
import socketserver
import threading
from types import TracebackType
from typing import Any


class ImapServer:
    """mails: their bytes. seen, deleted: the numbers of mails, from 1."""

    def __init__(self, mails: list[bytes]):
        self.mails = mails
        self.seen: set[int] = set()
        self.deleted: set[int] = set()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"imap://nora:p%40ss@127.0.0.1:{self._server.server_address[1]}/Bounces"

    def __enter__(self) -> ImapServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, command: str) -> tuple[list[bytes], str]:
        """The untagged lines, and the end of the tagged one."""
        if command.startswith("CAPABILITY"):
            return [b"* CAPABILITY IMAP4rev1"], "OK done"
        if command.startswith("LOGIN"):
            return [], "OK done" if command == 'LOGIN nora "p@ss"' else "NO wrong password"
        if command.startswith("SELECT"):
            there = '"Bounces"' in command
            return ([b"* 1 EXISTS", b"* OK [UIDVALIDITY 7]"], "OK done") if there else ([], "NO no such folder")
        if command.startswith("UID SEARCH UNSEEN"):
            numbers = [str(at) for at in range(1, len(self.mails) + 1) if at not in self.seen]
            return [f"* SEARCH {' '.join(numbers)}".encode()], "OK done"
        if found := re.match(r"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", command):
            content = self.mails[int(found[1]) - 1][: int(found[2])]
            return [
                f"* {found[1]} FETCH (UID {found[1]} BODY[]<0> {{{len(content)}}}\r\n".encode() + content + b")"
            ], "OK done"
        if found := re.match(r"UID STORE (\d+) \+FLAGS.SILENT \((.*)\)", command):
            self.seen.add(int(found[1]))
            self.deleted |= {int(found[1])} if "Deleted" in found[2] else set()
            return [], "OK done"
        return [], "OK done"

    def _handler(self) -> Any:
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"* OK ready\r\n")
                for line in self.rfile:
                    tag, _, command = line.decode().strip().partition(" ")
                    lines, end = server.answer(command)
                    self.wfile.write(b"".join(one + b"\r\n" for one in lines) + f"{tag} {end}\r\n".encode())

        return Handler
