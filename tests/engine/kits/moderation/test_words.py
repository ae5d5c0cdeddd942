"""Lists of words of one's own: what is found in a text, and what is not."""

from __future__ import annotations

import pytest

from jobs.engine.kits.moderation import words
from jobs.engine.kits.moderation.words import WordLists

BLOCK = ["idiot", "go to hell", "c++", "傻瓜", "🖕", "ass", "1488", "hell"]
FOUND = {
    "idiot": "You IDIOT!|i d i o t|i.d.i.o.t now|i_d_i_o_t|you 1d10t|ID!OT|idiooooot"
    "|ｉｄｉｏｔ|idіot|@idiot|idiot's|i\u200bd\u00adiot",
    "ass": "a$$|you а$$|as\u0336s",
    "go to hell": "gO  to\nHELL",
    "hell": "h3ll|hell!!!|(hell)",
    "c++": "C++ is bad",
    "傻瓜": "他是傻瓜吗",
    "🖕": "ok 🖕🏽",
    "1488": "1488",
}
NOT_FOUND = [
    "idiots",
    "class",
    "c is",
    "148800",
    "hello",
    "shell",
    "he'll",
    "",
    "as is",
    "14 apples 88",
    "go to the hotel",
]


@pytest.mark.parametrize("word", FOUND)
def test_a_word_is_found_in_its_disguises(word: str) -> None:
    lists = WordLists(BLOCK, [])
    found = {text: lists.find(text) for text in FOUND[word].split("|")}
    assert [text for text, one in found.items() if one is None or one.word != word] == []


def test_parts_of_words_are_not_found() -> None:
    lists = WordLists(BLOCK, [])
    assert [text for text in NOT_FOUND if lists.find(text)] == []
    assert WordLists([], []).find("anything") is None


def test_a_word_that_blocks_comes_first() -> None:
    lists = WordLists(["idiot"], ["Straße", "stupid"])
    both, one = lists.find("stupid idiot"), lists.find("STRASSE")
    assert both and (both.word, both.verdict, both.severity) == ("idiot", "block", "high")
    assert one and (one.word, one.verdict, one.severity) == ("Straße", "review", "medium")


def test_patterns_of_users_are_plain_text() -> None:
    lists = WordLists(["(a+)+$", ".*"], [])
    assert lists.find("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!") is None
    assert lists.find("write (a+)+$ here")


def test_a_wrong_list_is_refused_with_its_line() -> None:
    assert words.error_in(["fine", "\u200b"]) == "Line 2 has no word."
    assert words.error_in(["x" * 101]) == "Line 1 has 101 characters; the limit is 100."
    assert words.error_in(["x"] * 5_001) == "There are 5,001 words; the limit is 5,000."
    assert words.error_in(["idiot", "c++"]) is None
