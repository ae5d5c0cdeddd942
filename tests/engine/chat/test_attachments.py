"""Files of a conversation, below its pages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import uuid4

from jobs.engine.chat import attachments


def test_a_file_may_be_removed_before_its_passages_are_embedded(environment: Callable[..., None]) -> None:
    done = threading.Event()
    attachments._embed(uuid4(), done)
    assert done.is_set()
