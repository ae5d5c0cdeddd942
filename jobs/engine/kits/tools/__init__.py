"""The tools for agents and for lists of tool calls."""

from __future__ import annotations

from jobs.engine.kits.tools.base import ToolContext, ToolResult
from jobs.engine.kits.tools.registry import TOOL_WORDS, TOOLS, tool

__all__ = [
    "TOOLS",
    "TOOL_WORDS",
    "ToolContext",
    "ToolResult",
    "tool",
]
