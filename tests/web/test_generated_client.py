"""A client that is generated out of the API's description has every operation, can call each, and uploads files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import CODE
from webapp.http.guards import UPLOAD_TYPE

GENERATOR = "openapi-python-client==0.29.1"

pytestmark = pytest.mark.long


def run(folder: Path, *command: str) -> str:
    environ = os.environ | {"PYTHONPATH": f"{folder / 'packages'}{os.pathsep}{folder}", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_operation_can_be_called(app: Flask, site: str, tmp_path: Path) -> None:
    described = app.test_client().get("/api/v1/openapi.json").json
    (tmp_path / "openapi.json").write_text(json.dumps(described))
    config = {
        "post_hooks": [],
        "package_name_override": "client",
        "content_type_overrides": {UPLOAD_TYPE: "application/octet-stream"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    run(tmp_path, sys.executable, "-m", "pip", "install", "-q", "--target", str(tmp_path / "packages"), GENERATOR)
    options = ["--path", "openapi.json", "--output-path", "client", "--meta", "none", "--config", "config.json"]
    said = run(tmp_path, sys.executable, "-m", "openapi_python_client", "generate", *options)
    assert "will not be generated" not in said, said
    operations = sum(
        way in path for path in described["paths"].values() for way in ("get", "post", "put", "patch", "delete")
    )
    (tmp_path / "call.py").write_text((CODE / "tests/web/generated_client.py").read_text())
    called = run(tmp_path, sys.executable, "call.py", site)
    assert called.splitlines() == [f"called {operations}, upload 201"], called
