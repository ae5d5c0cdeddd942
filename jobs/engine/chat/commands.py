"""Conversations, as the web starts them. Text that somebody waits for is no job: this process asks for it, at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from jobs.engine.chat import answer_readers, answer_threads, attachments, conversations, redis_stream
from jobs.engine.chat import questions as chat_ask
from jobs.engine.chat.conversations import ConversationSettings, PendingAnswer
from jobs.engine.chat.live_text import LiveText, TextPiece
from jobs.engine.db.models import Attachment, Conversation, Message
from jobs.engine.errors import TooMany
from jobs.engine.llm import client

__all__ = ["LiveText", "TextPiece"]  # what readers are given


def start_conversation(talk: ConversationSettings, *, owner: str) -> Conversation:
    return conversations.start(talk, owner)


def begin_conversation(talk: ConversationSettings, question: str, files: Sequence[str], *, owner: str) -> Conversation:
    """A conversation with its first question and the files to answer it from. What does not fit is refused before it is made."""
    conversations.checked_question(question)
    found = _read(files, owner)
    made = conversations.start(talk, owner)
    attachments.attach(made.id, found, owner)
    ask(made.id, question, owner=owner)
    return made


def attach_files(conversation_id: str | UUID, files: Sequence[str], *, owner: str) -> list[Attachment]:
    """Let a conversation answer from uploads too, each by its id. Raises NotFound, BadInput, TooMany; then none is taken."""
    conversations.conversation(conversation_id, owner)
    return attachments.attach(conversation_id, _read(files, owner), owner)


detach_file = attachments.detach


def _read(files: Sequence[str], owner: str) -> list[attachments.ReadFile]:
    if len(files) > attachments.MOST_FILES:
        raise TooMany(f"A conversation can answer from {attachments.MOST_FILES} files at most.")
    return [attachments.read(ref, owner) for ref in files]


def change_conversation(conversation_id: str | UUID, talk: ConversationSettings, *, owner: str) -> Conversation:
    return conversations.change(conversation_id, talk, owner)


delete_conversation = conversations.remove


def ask(conversation_id: str | UUID, question: str, *, owner: str) -> Message:
    """Add a question and begin to answer it. Raises InvalidParams, NotFound, Conflict, TooMany."""
    return _answered(chat_ask.ask(conversation_id, question, owner, model=client.default_model()))


def edit_question(message_id: str | UUID, question: str, *, owner: str) -> Message:
    """Ask a question in other words; what came after it is no longer part of the conversation."""
    return _answered(conversations.edit(message_id, question, owner, model=client.default_model()))


def ask_again(answer_id: str | UUID, *, owner: str) -> Message:
    """Begin another answer to the same question."""
    return _answered(conversations.again(answer_id, owner, model=client.default_model()))


def continue_answer(answer_id: str | UUID, *, owner: str) -> Message:
    """Go on with the last answer where it ended."""
    return _answered(conversations.resume(answer_id, owner))


def stop_answer(answer_id: str | UUID, *, owner: str) -> Message:
    """Stop an answer, whichever web process writes it: this one at once, another when it hears of it."""
    answer = conversations.ask_stop(answer_id, owner)
    if not answer_threads.stop_here(answer.id):
        redis_stream.wake_writer(answer.id)
    return answer


def answer_status(answer_id: str | UUID, *, owner: str) -> Message:
    """An answer as it is now. One whose writer is gone is marked, and given what Redis still has of its text."""
    return answer_readers.mended(conversations.answer(answer_id, owner))


find_answer = answer_readers.readable
read_answer = answer_readers.reading
flush_answers = answer_threads.hand_in
count_answers = answer_threads.count


def _answered(asking: AbstractContextManager[PendingAnswer]) -> Message:
    """The provider is asked while the row is being committed, and nothing of its answer is shown before."""
    writing = None
    try:
        with asking as asked:
            writing = answer_threads.ask(asked)
    except BaseException:
        if writing is not None:
            writing.drop()
        raise
    answer_threads.start(writing)
    return asked.answer
