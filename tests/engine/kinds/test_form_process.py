"""Forms are computed in helper processes: the same answers and errors as in place, with a deadline and a share for each owner."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from jobs.engine import kinds
from jobs.engine.errors import InvalidParams, NotFound, TooMany
from jobs.engine.kinds import checks, estimates, form_process
from tests.engine import workers

OWNER = "local"


@pytest.fixture
def pool(environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[form_process.Pool]:
    environment(OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    made = form_process.Pool()
    monkeypatch.setattr(form_process, "_pool", made)
    yield made
    for child in made._idle:
        child.close()


def test_it_answers_as_the_function_itself(pool: form_process.Pool) -> None:
    params = {"source": "sample:reviews.csv", "prompt": "Answer: {review}", "nonsense": 1}
    with pytest.raises(InvalidParams) as apart:
        kinds.validate("generate_texts", params, owner=OWNER)
    with pytest.raises(InvalidParams) as here:
        checks.validate("generate_texts", params, owner=OWNER)
    assert apart.value.errors == here.value.errors
    del params["nonsense"]
    estimate = kinds.estimate("generate_texts", params, owner=OWNER)
    assert asdict(estimate or here) == asdict(estimates.estimate("generate_texts", params, owner=OWNER) or here)
    valid = kinds.validate("export_data", {"what": "jobs"}, owner=OWNER)
    assert valid == checks.validate("export_data", {"what": "jobs"}, owner=OWNER)
    assert valid.label == "jobs"


def test_its_errors_are_those_of_the_function(pool: form_process.Pool) -> None:
    with pytest.raises(NotFound, match="no kind of job called 'none'"):
        kinds.validate("none", {}, owner=OWNER)
    with pytest.raises(InvalidParams, match="NUL") as error:
        kinds.validate("export_data", {"what": "jobs", "filter": {"state": "a\x00"}}, owner=OWNER)
    assert error.value.errors[0].field.startswith("filter")


def test_what_takes_too_long_is_ended_and_said(pool: form_process.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kinds.validate("export_data", {"what": "jobs"}, owner=OWNER)
    os.kill(pool._idle[0]._child._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(form_process, "CALL_SECONDS", 0.1)
    with pytest.raises(InvalidParams, match="took longer"):
        kinds.validate("export_data", {"what": "jobs"}, owner=OWNER)
    assert pool._idle == []
    monkeypatch.undo()
    monkeypatch.setattr(form_process, "_pool", pool)
    assert kinds.validate("export_data", {"what": "jobs"}, owner=OWNER).json["what"] == "jobs"


def test_a_process_that_was_killed_is_replaced(pool: form_process.Pool) -> None:
    for _ in range(2):
        assert kinds.validate("export_data", {"what": "jobs"}, owner=OWNER).json["what"] == "jobs"
        [child] = pool._idle
        workers.kill(child._child._process.pid)


def test_an_owner_has_one_call_at_a_time_and_others_their_own(
    pool: form_process.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool._calls, "seconds", 0.2)
    with pool._calls.place("anna"):
        with pytest.raises(TooMany, match="Try again in a moment"):
            kinds.validate("export_data", {"what": "jobs"}, owner="anna")
        assert kinds.validate("export_data", {"what": "jobs"}, owner="ben")
        with pool._calls.place("carla"), pytest.raises(TooMany):
            kinds.validate("export_data", {"what": "jobs"}, owner="ben")
    assert kinds.validate("export_data", {"what": "jobs"}, owner="anna")


def test_many_at_once_get_their_own_answers(pool: form_process.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool._calls, "seconds", workers.PATIENCE)
    for _ in range(form_process.PROCESSES):  # started by this thread: they end with the one that starts them
        pool.warm()
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        params = {"what": "documents", "filter": {"collection": f"c{number}"}}
        found[number] = kinds.validate("export_data", params, owner=f"owner {number % 3}").label

    threads = [threading.Thread(target=ask, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert found == {number: f"documents: c{number}" for number in range(12)}
