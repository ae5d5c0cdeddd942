"""The demo, started by its one command: the kinds that ask the built-in model. `.ci/run` runs it with all of them."""

from __future__ import annotations

import re

from tests.stories.app_process import Start


def test_the_demo_runs_and_ends(start_app: Start) -> None:
    app = start_app(wait=False, arguments=("--demo", "--kinds", "generate_texts,run_agent"))
    assert app.running.wait(600) == 0, app.logs()
    said = app.said.read_text()
    assert re.search(r"^generate_texts +succeeded +\d+ ", said, re.M)
    assert re.search(r"^run_agent +succeeded +\d+ ", said, re.M)
    assert f"Its page: {app.url}/jobs/" in said
