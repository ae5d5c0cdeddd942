"""What keeps untrusted input from doing harm: confined children, limits, outgoing requests and HTML."""

from __future__ import annotations

from jobs.engine.sandbox.child_limit import act_for, limit_children
from jobs.engine.sandbox.private import be_private
from jobs.engine.sandbox.scratch import begin as begin_scratch
from jobs.engine.sandbox.webhook_signatures import is_signed

__all__ = ["act_for", "be_private", "begin_scratch", "is_signed", "limit_children"]
