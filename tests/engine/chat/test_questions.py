"""Questions put into conversations: what is kept, what is refused, and that two at a time are never taken for one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text, update

from jobs.engine.chat import answer_rows, conversations, questions
from jobs.engine.chat.answer_writer import PendingAnswer
from jobs.engine.chat.conversations import ConversationSettings
from jobs.engine.db import postgres
from jobs.engine.db.models import Message
from jobs.engine.errors import Conflict, LegworkError, NotFound, TooMany
from jobs.engine.llm import model_list

pytestmark = pytest.mark.usefixtures("environment", "model")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_list, "default_model", lambda: "of the day")


def talk(owner: str, **set_to: str) -> UUID:
    return conversations.start_conversation(ConversationSettings(**set_to), owner).id


def put(conversation: UUID, owner: str, question: str = "Hello") -> PendingAnswer:
    with questions.pending(questions.ASK, conversation, owner, question) as asked:
        return asked


def begun(action: Any, message: Message, question: str = "") -> PendingAnswer:
    with questions.pending(action, message.id, message.owner, question) as asked:
        return asked


def said(asked: PendingAnswer) -> list[str]:
    return [each["content"] for each in asked.messages]


def finish(answer: Message, text: str) -> None:
    assert answer_rows.finish(answer.id, answer.run, answer_rows.Ending("done", text))


def age(conversation: UUID) -> None:
    """Let its answer be silent for long."""
    silent = update(Message).where(Message.conversation_id == conversation, Message.state == "writing")
    with postgres.session() as session:
        session.execute(silent.values(beat_at=text("now() - interval '9 s'"), text="What came"))


def test_what_is_asked_is_kept() -> None:
    conversation = talk("asker", system="Be kind.")
    asked = put(conversation, "asker", "What is\nthis?")
    assert asked.messages == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "What is\nthis?"}]
    (turn,) = conversations.turns(conversation, most=20).rows
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
    assert said(asked) == ["First", "What came", "Second"]
    assert asked.answer.model == "its own"
    assert conversations.conversation(conversation, "asker").title == "Named"
    first, second = conversations.turns(conversation, most=20).rows
    assert first.answer is not None and first.answer.reason == "writer_lost"
    assert second.answer is not None and second.answer.state == "writing"


def test_what_is_not_there_or_not_theirs() -> None:
    conversation = talk("asker")
    for named, owner in ((uuid4(), "asker"), (conversation, "somebody else")):
        with pytest.raises(NotFound):
            put(named, owner)
    assert conversations.turns(conversation, most=20).rows == []


def test_nothing_is_kept_where_it_goes_wrong_before_the_commit() -> None:
    conversation = talk("asker")
    with pytest.raises(KeyError), questions.pending(questions.ASK, conversation, "asker", "Hello"):
        raise KeyError
    assert conversations.turns(conversation, most=20).rows == []
    assert conversations.conversation(conversation, "asker").title == ""


def test_an_edit_takes_the_place_of_the_question_and_all_after_it() -> None:
    conversation = talk("asker")
    for number, question in enumerate(("First", "Second")):
        finish(put(conversation, "asker", question).answer, f"Answer {number}")
    second = conversations.turns(conversation, most=20).rows[1].question
    assert second is not None
    asked = begun(questions.EDIT, second, "Other")
    assert said(asked) == ["First", "Answer 0", "Other"]
    left = conversations.turns(conversation, most=20).rows
    assert [turn.question and turn.question.text for turn in left] == ["First", "Other"]
    assert left[1].answer is not None and left[1].answer.id == asked.answer.id


def test_another_answer_keeps_the_question_and_the_one_before() -> None:
    conversation = talk("asker", system="Be kind.")
    first = put(conversation, "asker", "First").answer
    finish(first, "Old")
    asked = begun(questions.AGAIN, first)
    assert said(asked) == ["Be kind.", "First"]
    (turn,) = conversations.turns(conversation, most=20).rows
    assert turn.answer is not None and turn.answer.id == asked.answer.id
    assert [each.text for each in turn.earlier] == ["Old"]


def test_the_last_answer_goes_on_as_another_run_of_the_same_row() -> None:
    conversation = talk("asker")
    first = put(conversation, "asker", "First").answer
    age(conversation)
    asked = begun(questions.CONTINUE, first)
    assert (asked.answer.id, asked.answer.run, asked.answer.state) == (first.id, 2, "writing")
    assert (asked.answer.text, asked.answer.reason, asked.answer.finished_at) == ("What came", None, None)
    assert said(asked) == ["First"]
    assert len(conversations.turns(conversation, most=20).rows) == 1


def test_what_is_not_there_to_start_from_is_refused() -> None:
    conversation = talk("asker")
    first = put(conversation, "asker", "First").answer
    for action in (questions.EDIT, questions.AGAIN, questions.CONTINUE):
        with pytest.raises(Conflict, match="An answer is being written"):
            begun(action, first, "x")
    finish(first, "Answer")
    finish(put(conversation, "asker", "Second").answer, "Answer")
    question = conversations.turns(conversation, most=20).rows[0].question
    assert question is not None
    for action, message in ((questions.EDIT, first), (questions.AGAIN, question), (questions.CONTINUE, first)):
        with pytest.raises(Conflict, match="Only"):
            begun(action, message, "x")
    before = conversations.turns(conversation, most=20).rows
    assert [turn.answer and turn.answer.state for turn in before] == ["done", "done"]
    finish(begun(questions.EDIT, question, "Other").answer, "Answer")
    with pytest.raises(Conflict, match="Only"):  # no longer part of the conversation
        begun(questions.EDIT, question, "x")
    with pytest.raises(NotFound), questions.pending(questions.AGAIN, first.id, "somebody else"):
        pass


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
    assert len(conversations.turns(conversation, most=20).rows) == 1


def test_no_more_than_the_cap_are_taken_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MOST_WRITING", 3)
    several = [talk("busy") for _ in range(8)]
    assert outcomes(several, "busy") == [TooMany.__name__] * 5 + ["asked"] * 3
    for conversation in several:
        age(conversation)
    put(several[0], "busy")
