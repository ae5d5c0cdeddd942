"""Our chat model against LangChain's own standard tests (the package langchain-tests), over the wire of a fake provider."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests import source_distributions
from tests.conftest import CODE

PLUGIN = "tests.engine.kits.agents.standard_chat_model"


@pytest.mark.slow
def test_langchains_standard_tests_pass() -> None:
    [published] = source_distributions.folder("langchain-tests").iterdir()
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", PLUGIN]
    ran = subprocess.run(
        [*command, PLUGIN.replace(".", "/") + ".py"],
        cwd=CODE,
        env=os.environ | {"PYTHONPATH": f"{CODE}{os.pathsep}{published}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert ran.returncode == 0 and passed and int(passed[1]) >= 50, ran.stdout + ran.stderr
