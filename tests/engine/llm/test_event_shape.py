"""Events that are recognized by their shape are what reading them in full gives, whatever they look like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.llm.event_shape import CREDIT, PRICE, Shape

WORDS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["word", '"', "\\", '","x":"', "content", '"content": "word"', "\x00", "\n", "ü", "🙂", "", "\ud83d", "not word"]
)
JUNK = st.dictionaries(
    st.sampled_from(["id", "content", "delta", "created"]), WORDS | st.integers() | st.none(), max_size=3
)


def event(text: Any, **more: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}


def line(event: Any, ascii: bool = True) -> bytes:
    return b"data: " + json.dumps(event, ensure_ascii=ascii).encode("utf-8", "surrogatepass")


def learnt(*texts: str) -> Shape:
    shape = Shape()
    for text in texts:
        shape.learn(line(event(text)), event(text))
    return shape


@given(JUNK, JUNK, JUNK, st.lists(WORDS, min_size=2, max_size=6), st.booleans(), st.sampled_from(["", "\r", " "]))
def test_what_is_recognized_is_what_is_read(
    outer: dict[str, Any], choice: dict[str, Any], delta: dict[str, Any], texts: list[str], ascii: bool, end: str
) -> None:
    shape = Shape()
    for text in texts:
        said = delta | {"content": text}
        whole = outer | {"choices": [choice | {"delta": said}, {"delta": {"content": "word"}}], "usage": None}
        data = line(whole, ascii) + end.encode()
        if (found := shape.text(data)) is not None:
            assert found == json.loads(data[5:].decode())["choices"][0]["delta"]["content"] == text
            assert found
        else:
            shape.learn(data, whole)


def test_the_next_event_of_the_same_shape_is_recognized() -> None:
    shape = learnt("one ")
    assert shape.text(line(event("two "))) == "two "
    assert shape.text(line(event("größer 🙂"), ascii=False)) == "größer 🙂"


@pytest.mark.parametrize(
    "data",
    [
        line(event("")),  # then it is the refusal that counts
        line(event('a "quote"')),
        line(event("größer")),  # with backslashes
        line(event("one", usage={"completion_tokens": 1})),
        line({"id": "y", "choices": []}),
        line(event("one"))[:-1],
        line(event("one")).replace(b"one", b"\xff"),
        line(event("one")).replace(b"one", b"a\tb"),
        line(event("one")).replace(b'"one"', b"null"),
        line(event("one")).replace(b'"finish_reason": null', b'"finish_reason": "stop"'),
        line(event("one")).replace(b'one"', b'one", "content": "two"'),
        b"data: [DONE]",
        b": a comment",
        b"",
    ],
)
def test_what_is_anything_else_is_read_in_full(data: bytes) -> None:
    assert learnt("word").text(data) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'data: {"choices": [{"delta": {"content": "a", "content": "b"}}]}', "b"),
        (b'data: {"content": "a", "choices": [{"delta": {"content": "a"}}]}', "a"),
        (b'data: {"choices": [{"delta": {"content": "a"}, "delta": {"content": "a"}}]}', "a"),
    ],
)
def test_a_text_in_another_place_is_not_taken_for_the_answer(data: bytes, said: str) -> None:
    shape = Shape()
    shape.learn(data, json.loads(data[5:]))
    other = data.replace(b'"a"', b'"other"', 1)
    read = json.loads(other[5:])["choices"][0]["delta"]["content"]
    assert shape.text(other) in (None, read)


def test_events_that_are_all_different_are_soon_not_learnt_from() -> None:
    shape = Shape()
    for number in range(3 * CREDIT):
        shape.learn(line(event("word", padding=number)), event("word", padding=number))
    assert shape.text(line(event("word", padding=3 * CREDIT - 1))) is None
    last = CREDIT // PRICE - 1
    for _ in range(PRICE):
        assert shape.text(line(event("more", padding=last))) == "more"
    shape.learn(line(event("word", padding="new")), event("word", padding="new"))
    assert shape.text(line(event("more", padding="new"))) == "more"
