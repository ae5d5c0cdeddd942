"""The rows of a job as a table of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from jobs.engine.chat import attachments
from jobs.engine.errors import BadInput
from jobs.engine.files import inputs
from jobs.engine.formats.tables import ReadOptions
from tests.engine.queue.test_commands import end, nap

ME = "local"


@pytest.fixture(autouse=True)
def specimens(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds")


def test_a_form_sees_the_first_rows_and_a_worker_all() -> None:
    job = end(nap(), outcomes=12)
    found = inputs.find_input(f"job:{job.id}", ME)
    info = found.table(ReadOptions(delimiter=";"))  # options are for files

    assert (info.format, info.columns) == ("jsonl", ["n", "twice", "_state", "_error"])
    assert (info.rows, info.exact, found.count(), found.name) == (12, True, 12, "nap result.jsonl")
    first = [{"n": n, "twice": 2 * n, "_state": "done", "_error": None} for n in range(1, 13)]
    assert info.first == list(found.rows()) == first[:10]
    with found.path() as path:
        assert path.read_bytes().count(b"\n") == 10
    whole = replace(found, whole=True)
    assert list(whole.rows()) == first
    with whole.path() as path:
        assert path.read_bytes().count(b"\n") == 12
        assert 0.9 < found.bytes / path.stat().st_size < 1.1
    assert not path.exists()


def test_what_is_no_table_of_ones_own_is_refused() -> None:
    job = end(nap(), outcomes=1)
    for ref, owner in ((f"job:{job.id}", "you"), ("job:", ME), (f"job:{job.id}x", ME), ("job:../x", ME)):
        with pytest.raises(BadInput, match="There is no such job"):
            inputs.find_input(ref, owner)
    with pytest.raises(BadInput, match="no rows"):
        inputs.find_input(f"job:{nap().id}", ME)
    with pytest.raises(BadInput, match="cannot be attached"):
        attachments.read(f"job:{job.id}", ME)
