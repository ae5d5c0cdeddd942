"""What an agent, or a person by a list of calls, may use."""

from __future__ import annotations

from jobs.engine.kits.tools.base import ToolContext, ToolResult
from jobs.engine.kits.tools.registry import TOOLS, tool

__all__ = [
    "TOOLS",
    "ToolContext",
    "ToolResult",
    "tool",
]
