"""Runs an agent and yields its steps: first those of earlier attempts, then new ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.billing import Bill
from jobs.engine.errors import BadInput, BudgetSpent, Transient
from jobs.engine.kits.agents.approval_gate import ApprovalGate
from jobs.engine.kits.agents.chat_model import AgentModel, bill_of, chat_model
from jobs.engine.kits.tools.base import Tool, ToolContext

Once = Callable[[str, Callable[[], Any]], Any]  # Context.once

SAME = 3  # number of identical calls that count as a loop
MOST_RESULT = 20_000  # characters of a result that are sent to the model


@dataclass
class AgentLimits:
    steps: int
    seconds: int


@dataclass(frozen=True)
class AgentCare:
    """Safeguards for tool calls: `once` prevents repeated ones, `gate` asks for approval."""

    once: Once
    gate: ApprovalGate


@dataclass
class AgentStep:
    """One reply of the model, with its tool calls and their results."""

    number: int
    thought: str
    calls: list[dict[str, Any]]
    bill: Bill
    seconds: float = 0.0
    results: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return len(self.results) >= len(self.calls)


class Agent:
    """One run of an agent. After `steps`, `answer` is its last text, `taken` the number of steps, and `ended` the reason
    why it was stopped, if it was."""

    def __init__(
        self,
        agent_model: AgentModel,
        small: bool,
        tools: list[Tool],
        reach: ToolContext,
        limits: AgentLimits,
        care: AgentCare,
    ) -> None:
        self.answer, self.taken = "", 0
        self.ended: BudgetSpent | None = None
        self._mind, self._small, self._tools, self._reach, self._limits = agent_model, small, tools, reach, limits
        self.gate, self._once = care.gate, care.once
        self._made: dict[str, int] = {}

    def steps(self, saver: Any, thread: str, task: str, instructions: str) -> Iterator[AgentStep]:
        from langchain.agents import create_agent

        tools = [_adapted(tool, self._reach) for tool in self._tools]
        model = chat_model(self._mind, self._small)
        keeper = _recorder(self.gate, self._once)
        graph = create_agent(model, tools, system_prompt=instructions or None, checkpointer=saver, middleware=[keeper])
        try:
            yield from self._until_a_limit(_messages(graph, thread, task, self))
        except BudgetSpent as ended:
            self.ended = ended

    def earlier(self, message: Any) -> None:
        """Count the tokens of a step of an earlier attempt."""
        self._mind.budget.used += (getattr(message, "usage_metadata", None) or {}).get("total_tokens", 0)

    def recursion_limit(self) -> int:
        return 4 * self._limits.steps + 10  # of the graph; our own limits are reached first

    def _until_a_limit(self, messages: Iterator[Any]) -> Iterator[AgentStep]:
        began = time.monotonic()
        for step in _steps(messages):
            self.answer, self.taken = step.thought or self.answer, step.number
            yield step
            self._mind.check()
            if step.calls:
                self._look(step, time.monotonic() - began)

    def _look(self, step: AgentStep, seconds: float) -> None:
        """Raise BudgetSpent if the next step would exceed a limit."""
        for call in step.calls:
            made = jsonsafe.dumps([call["name"], call["args"]])
            self._made[made] = self._made.get(made, 0) + 1
            if self._made[made] >= SAME:
                sentence = f"The agent called {call['name']} {SAME} times with the same arguments, and was stopped."
                raise BudgetSpent(sentence, reason="loop")
        if step.number >= self._limits.steps:
            raise BudgetSpent(f"The agent has taken its {step.number:,} steps without an end.", reason="max_steps")
        if seconds >= self._limits.seconds:
            raise BudgetSpent(f"The agent has used its {self._limits.seconds:,} s.", reason="time_limit")


def _messages(graph: Any, thread: str, task: str, agent: Agent) -> Iterator[Any]:
    """The stored messages, then new ones. Each reply is stored and checked for approvals before its tools are called."""
    how = {"configurable": {"thread_id": thread}, "recursion_limit": agent.recursion_limit()}
    state = graph.get_state(how)
    stored = state.values.get("messages", [])
    for message in stored:
        agent.earlier(message)
    yield from stored
    given = None if stored else {"messages": [{"role": "user", "content": task}]}
    while given is not None or state.next:
        if given is None:
            agent.gate.look(_calls(state.values["messages"]))
        for update in graph.stream(given, how, stream_mode="updates", durability="sync", interrupt_before=["tools"]):
            for change in update.values():
                yield from (change or {}).get("messages", [])
        given, state = None, graph.get_state(how)


def _calls(messages: list[Any]) -> list[dict[str, Any]]:
    """The tool calls of the last reply."""
    return next((list(message.tool_calls) for message in reversed(messages) if message.type == "ai"), [])


def _steps(messages: Iterator[Any]) -> Iterator[AgentStep]:
    number, began = 0, time.monotonic()
    step: AgentStep | None = None
    for message in messages:
        if message.type == "ai":
            number += 1
            step = _step(number, message)
        elif message.type == "tool" and step is not None:
            step.results[message.tool_call_id] = str(message.content)
        if step is not None and step.whole:
            step.seconds = round(time.monotonic() - began, 3)
            yield step
            step, began = None, time.monotonic()


def _step(number: int, message: Any) -> AgentStep:
    text = message.content if isinstance(message.content, str) else json.dumps(message.content)
    return AgentStep(number, text, message.tool_calls, bill_of(message))


def _adapted(tool: Tool, reach: ToolContext) -> Any:
    """A LangChain tool. An error in a call becomes its result, for the model to read."""
    from langchain_core.tools import StructuredTool

    def call(**given: Any) -> str:
        reach.check()
        try:
            arguments = tool.read(given)
            if wrong := tool.argument_error(arguments, reach):
                return f"Error: {wrong}"
            return tool.run(arguments, reach).text[:MOST_RESULT]
        except (BadInput, Transient) as error:
            return f"Error: {error.message}"

    schema = tool.Arguments.model_json_schema()
    return StructuredTool.from_function(call, name=tool.name, description=tool.description, args_schema=schema)


def _recorder(gate: ApprovalGate, once: Once) -> Any:
    """Middleware that records the result of each call before the graph gets it, so that a kill repeats no finished call."""
    from langchain.agents.middleware import AgentMiddleware
    from langchain_core.messages import ToolMessage

    class RecordResults(AgentMiddleware):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            call = request.tool_call
            text = gate.refusal(call) or once(f"call {call['id']}", lambda: str(handler(request).content))
            return ToolMessage(text, tool_call_id=call["id"], name=call["name"])

    return RecordResults()
