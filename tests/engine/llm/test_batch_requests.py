"""OpenAI's batch files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.llm.batch_requests import check_ids, is_batch, request

BODY = {"model": "fake-small", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9}


def test_a_batch_file_is_known_by_its_columns() -> None:
    assert is_batch(["custom_id", "method", "url", "body"])
    assert not is_batch(["id", "body"])


def test_ids_are_all_different() -> None:
    check_ids({"custom_id": f"r{n}"} for n in range(100))
    with pytest.raises(BadInput, match="“r1” of request 3 was used before"):
        check_ids([{"custom_id": "r1"}, {"custom_id": "r2"}, {"custom_id": "r1"}])
    with pytest.raises(BadInput, match="Request 2 of the batch has no custom_id"):
        check_ids([{"custom_id": "r1"}, {"custom_id": None}])


def test_a_body_is_sent_as_it_is() -> None:
    assert request({"body": BODY, "url": "/v1/chat/completions"}, "other") == BODY
    assert request({"body": json.dumps(BODY)}, "other") == BODY


def test_a_model_and_a_limit_fill_in_where_none_is_named() -> None:
    bare = {"messages": BODY["messages"]}
    assert request({"body": bare}, "mine", 50) == bare | {"model": "mine", "max_tokens": 50}
    assert request({"body": BODY}, "mine", 50) == BODY


@pytest.mark.parametrize(
    "row",
    [
        {"body": None},
        {"body": "{"},
        {"body": {"messages": []}},
        {"body": {"messages": "Hello"}},
        {"body": BODY, "url": "/v1/embeddings"},
        {"body": BODY | {"n": 3}},
    ],
)
def test_what_is_no_request_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        request(row, "mine")
