"""The demo, started by its one command, with two kinds and a scripted model. `.ci/run` runs it with all and the built-in one."""

from __future__ import annotations

import os
import re

import pytest

from tests.stories.app_process import Start


@pytest.mark.skipif("CI" in os.environ, reason=".ci/run runs the whole demo")
def test_the_demo_runs_and_ends(start_app: Start, with_provider: dict[str, str]) -> None:
    app = start_app(wait=False, arguments=("--demo", "--kinds", "generate_texts,simulate"), **with_provider)
    assert app.running.wait(600) == 0, app.logs()
    said = app.said.read_text()
    assert re.search(r"^generate_texts +succeeded +\d+ ", said, re.M)
    assert re.search(r"^simulate +succeeded +\d+ ", said, re.M)
    assert f"Its page: {app.url}/jobs/" in said
