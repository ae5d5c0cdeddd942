"""Questions put into conversations: what is kept, what is refused, and that two at a time are never taken for one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text, update

from jobs.engine.chat import conversations, questions
from jobs.engine.chat.conversations import ConversationSettings
from jobs.engine.db import postgres
from jobs.engine.db.models import Message
from jobs.engine.errors import Conflict, LegworkError, NotFound, TooMany

pytestmark = pytest.mark.usefixtures("environment")


def talk(owner: str, **set_to: str) -> UUID:
    return conversations.start(ConversationSettings(**set_to), owner).id


def put(conversation: UUID, owner: str, question: str = "Hello") -> questions.PendingAnswer:
    with questions.ask(conversation, question, owner, model="of the day") as asked:
        return asked


def age(conversation: UUID) -> None:
    """Let its answer be silent for long."""
    silent = update(Message).where(Message.conversation_id == conversation, Message.state == "writing")
    with postgres.session() as session:
        session.execute(silent.values(beat_at=text("now() - interval '9 s'"), text="What came"))


def test_what_is_asked_is_kept() -> None:
    conversation = talk("asker", system="Be kind.")
    asked = put(conversation, "asker", " What is\nthis? ")
    assert asked.said == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "What is\nthis?"}]
    (turn,) = conversations.turns(conversation)
    assert turn.question is not None and turn.answer is not None
    assert turn.question.text == "What is\nthis?"
    columns = Message.__table__.columns.keys()
    assert [getattr(turn.answer, name) for name in columns] == [getattr(asked.answer, name) for name in columns]
    assert (asked.answer.state, asked.answer.run, asked.answer.model) == ("writing", 1, "of the day")
    assert conversations.conversation(conversation, "asker").title == "What is this?"


def test_what_was_said_before_goes_along() -> None:
    conversation = talk("asker", title="Named", model="its own")
    put(conversation, "asker", "First")
    age(conversation)
    asked = put(conversation, "asker", "Second")
    assert [each["content"] for each in asked.said] == ["First", "What came", "Second"]
    assert asked.answer.model == "its own"
    assert conversations.conversation(conversation, "asker").title == "Named"
    first, second = conversations.turns(conversation)
    assert first.answer is not None and first.answer.reason == "writer_lost"
    assert second.answer is not None and second.answer.state == "writing"


def test_what_is_not_there_or_not_theirs() -> None:
    conversation = talk("asker")
    for named, owner in ((uuid4(), "asker"), (conversation, "somebody else")):
        with pytest.raises(NotFound):
            put(named, owner)
    assert conversations.turns(conversation) == []


def test_nothing_is_kept_where_it_goes_wrong_before_the_commit() -> None:
    conversation = talk("asker")
    with pytest.raises(KeyError), questions.ask(conversation, "Hello", "asker", model="m"):
        raise KeyError
    assert conversations.turns(conversation) == []
    assert conversations.conversation(conversation, "asker").title == ""


def outcomes(asked: list[UUID], owner: str) -> list[str]:
    """What becomes of questions that come at the same time."""

    def one(conversation: UUID) -> str:
        try:
            put(conversation, owner)
        except LegworkError as error:
            return type(error).__name__
        return "asked"

    with ThreadPoolExecutor(len(asked)) as threads:
        return sorted(threads.map(one, asked))


def test_of_questions_at_the_same_time_one_is_taken() -> None:
    conversation = talk("hasty")
    assert outcomes([conversation] * 8, "hasty") == [Conflict.__name__] * 7 + ["asked"]
    assert len(conversations.turns(conversation)) == 1


def test_no_more_than_the_cap_are_taken_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MOST_WRITING", 3)
    several = [talk("busy") for _ in range(8)]
    assert outcomes(several, "busy") == [TooMany.__name__] * 5 + ["asked"] * 3
    for conversation in several:
        age(conversation)
    put(several[0], "busy")
