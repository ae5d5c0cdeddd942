"""Whose fault it is that a child gave no answer."""

from __future__ import annotations

import logging

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.sandbox import confined

CHILD = "tests.engine.sandbox.failing"


def test_a_fault_of_ours_is_called_so_and_logged_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(BadInput) as raised:
        confined.run(CHILD, {"raise": "fault"})
    said = "Legwork could not read this file (a fault of ours: KeyError). Its place is in the log."
    assert (raised.value.message, raised.value.reason) == (said, "fault")
    assert "failing.py" in caplog.text and "KeyError" in caplog.text and "stands in the file" not in caplog.text


def test_a_damaged_file_is_called_broken_without_the_words_of_a_library(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BadInput) as raised:
        confined.run(CHILD, {"raise": "damage"})
    assert (raised.value.message, raised.value.reason) == ("The file is broken and cannot be read.", "broken")
    assert caplog.text == ""
