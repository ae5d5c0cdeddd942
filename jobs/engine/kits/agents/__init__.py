"""Agents: a model that calls tools in a loop, with approvals and checkpoints."""

from __future__ import annotations

from jobs.engine.kits.agents import checkpoints
from jobs.engine.kits.agents.approval_gate import ApprovalGate
from jobs.engine.kits.agents.chat_model import AgentModel
from jobs.engine.kits.agents.loop import Agent, AgentCare, AgentLimits, AgentStep
from jobs.engine.kits.agents.trace import recorded_calls, traced_step

__all__ = [
    "Agent",
    "AgentCare",
    "AgentLimits",
    "AgentModel",
    "AgentStep",
    "ApprovalGate",
    "checkpoints",
    "recorded_calls",
    "traced_step",
]
