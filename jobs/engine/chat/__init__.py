"""Chat: conversations, questions, and answers that are streamed while the model writes them."""

from __future__ import annotations

from jobs.engine.chat.answer_readers import answer_status, find_answer, read_answer
from jobs.engine.chat.answer_threads import count_answers, flush_answers, stop_answer
from jobs.engine.chat.attachments import (
    MOST_ATTACHED_TEXT,
    attach_files,
    attachment,
    attachment_passages,
    detach_file,
    list_attachments,
)
from jobs.engine.chat.conversations import (
    LIMITS,
    ConversationSettings,
    Turn,
    answering_conversations,
    change_conversation,
    conversation,
    delete_conversation,
    start_conversation,
    turns,
)
from jobs.engine.chat.lists import list_conversations
from jobs.engine.chat.live_text import LiveText
from jobs.engine.chat.questions import (
    LONGEST_QUESTION,
    ask,
    ask_again,
    begin_conversation,
    continue_answer,
    edit_question,
)
from jobs.engine.chat.trials import Trial, TrialRun, try_out

__all__ = [
    "LIMITS",
    "LONGEST_QUESTION",
    "MOST_ATTACHED_TEXT",
    "ConversationSettings",
    "LiveText",
    "Trial",
    "TrialRun",
    "Turn",
    "answer_status",
    "answering_conversations",
    "ask",
    "ask_again",
    "attach_files",
    "attachment",
    "attachment_passages",
    "begin_conversation",
    "change_conversation",
    "continue_answer",
    "conversation",
    "count_answers",
    "delete_conversation",
    "detach_file",
    "edit_question",
    "find_answer",
    "flush_answers",
    "list_attachments",
    "list_conversations",
    "read_answer",
    "start_conversation",
    "stop_answer",
    "try_out",
    "turns",
]
