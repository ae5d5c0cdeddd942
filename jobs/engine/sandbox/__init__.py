"""What keeps untrusted input from doing harm: confined children, limits, outgoing requests and HTML."""

from __future__ import annotations

from jobs.engine.sandbox.child_limit import act_for, limit_children

__all__ = ["act_for", "limit_children"]
