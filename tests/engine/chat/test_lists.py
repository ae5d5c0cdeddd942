"""Searching conversations, a bounded number of them a page."""

from __future__ import annotations

import pytest

from jobs.engine.chat import conversations, lists
from jobs.engine.chat.conversations import ConversationSettings


def test_a_search_looks_at_the_latest_and_then_at_those_before(
    environment: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = "who searches"
    far = conversations.start_conversation(ConversationSettings(title="A faraway one"), owner=owner)
    for number in range(5):
        conversations.start_conversation(ConversationSettings(title=f"Near {number}"), owner=owner)
    monkeypatch.setattr(lists, "SEARCHED", 4)
    page = lists.list_conversations(owner, q="faraway")
    assert page.rows == [] and page.next
    page = lists.list_conversations(owner, q="faraway", after=page.next)
    assert [row.id for row in page.rows] == [far.id] and page.next is None
    assert len(lists.list_conversations(owner, q="near", limit=2).rows) == 2
    assert lists.list_conversations("somebody else", q="faraway").rows == []
