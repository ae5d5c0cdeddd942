"""The sentence that an answer cites."""

from __future__ import annotations

import pytest

from webapp.chat.citations import cited

PASSAGE = "Rent is 900.50 a month.\nThe notice period is three months! Dogs are allowed. Is it? e.g. cats"


@pytest.mark.parametrize(
    ("answer", "number", "sentence"),
    [
        ("It says this. The notice is three months [1].", 1, "The notice period is three months!"),
        ("You pay 900.50 [2], and dogs may come [1].", 2, "Rent is 900.50 a month."),
        ("You pay 900.50 [2], and dogs are allowed [1].", 1, "Dogs are allowed."),
        ("Nothing alike [1].", 1, ""),
        ("The notice period, not cited.", 1, ""),
        ("[1]", 1, ""),
    ],
)
def test_the_sentence_with_most_words_of_the_claim_is_marked(answer: str, number: int, sentence: str) -> None:
    found = cited(PASSAGE, answer, number)
    assert found.sentence == sentence and "".join(found) == PASSAGE


def test_long_passages_and_answers_take_no_time() -> None:
    assert "".join(cited("." * 20_000 + "a." * 20_000, "word " * 20_000 + "[1]", 1)) == "." * 20_000 + "a." * 20_000
