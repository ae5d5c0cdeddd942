"""The API answers what its description says, also to what does not fit it. `make fuzz` tries it for longer."""

from __future__ import annotations

import pytest

from tests import fuzz


def test_every_operation_answers_as_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--short", "--seed", "1"]) == 0, capsys.readouterr().out
