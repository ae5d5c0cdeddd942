"""OpenAI's batch files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.llm.batch_requests import BatchRefused, check_lines, embeddings_request, is_batch, request

BODY = {"model": "fake-small", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9}


def test_a_batch_file_is_known_by_its_columns() -> None:
    assert is_batch(["custom_id", "method", "url", "body"])
    assert not is_batch(["id", "body"])


def test_ids_are_all_different() -> None:
    assert check_lines({"custom_id": f"r{n}"} for n in range(100)) == 100
    with pytest.raises(BatchRefused, match="“r1” of request 3 was used before") as refused:
        check_lines([{"custom_id": "r1"}, {"custom_id": "r2"}, {"custom_id": "r1"}, {"custom_id": None}])
    found = [(one["code"], one["line"]) for one in refused.value.result["batch_problems"]]
    assert found == [("duplicate_custom_id", 3), ("missing_custom_id", 4)]
    with pytest.raises(BatchRefused, match="no requests"):
        check_lines([])


def test_a_line_that_is_no_json_is_named() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"custom_id": "r1"}
        raise BadInput("Line 2 is not JSON: expecting value at character 1.")

    with pytest.raises(BatchRefused) as refused:
        check_lines(rows())
    assert refused.value.result["batch_problems"][0]["line"] == 2


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
    ],
)
def test_what_is_no_request_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        request(row, "mine")


def test_texts_to_embed() -> None:
    line = {"url": "/v1/embeddings", "body": {"model": "m", "input": "tea", "encoding_format": "base64"}}
    assert embeddings_request(line) == ("m", ["tea"], True)
    assert embeddings_request({"body": {"input": ["tea", "milk"]}}) == ("", ["tea", "milk"], False)
    for wrong in ({}, {"input": []}, {"input": [""]}, {"input": [1, 2]}, {"input": "tea", "dimensions": 9}):
        with pytest.raises(BadInput):
            embeddings_request({"body": wrong})
