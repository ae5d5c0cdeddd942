"""LangChain chat models for agents, over the engine's own client.

A provider's model calls tools itself. For a small model without tool calling, the similarity of embeddings chooses one tool,
a JSON schema constrains its arguments, and the model answers after the result; that is enough for simple tasks only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar
from uuid import uuid4

from jobs.engine import jsonsafe
from jobs.engine.billing import Bill, CallUsage
from jobs.engine.kits.tools.base import NOT_JSON
from jobs.engine.kits.tools.registry import TOOLS
from jobs.engine.llm import responses, router
from jobs.engine.llm.budget import Budget, most_tokens
from jobs.engine.llm.embeddings import warm_child
from jobs.engine.llm.model_list import default_model
from jobs.engine.llm.responses import Completion, ToolCall
from jobs.engine.llm.strict_schema import response_format

LEAST_LIKENESS = 0.2  # cosine similarity below which no tool is used
LOOK_SECONDS = 0.1
SENT_OPTIONS = ("model", "max_tokens", "temperature", "stop", "tools", "tool_choice", "response_format")
MOST_SHOWN = 200  # characters of arguments that are not valid

Came = TypeVar("Came")


@dataclass
class AgentModel:
    """The model's name, its longest answer, and what the job may take. check: raises if the run must end."""

    model: str
    max_tokens: int
    budget: Budget
    check: Callable[[], None]


@dataclass(frozen=True)
class ModelReply:
    """A model's reply: text, tool calls, and what it took."""

    text: str
    calls: list[dict[str, Any]]
    bill: Bill


def chat_model(agent_model: AgentModel, small: bool) -> Any:
    """A LangChain chat model. small: for a model without tool calling."""
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
    from langchain_core.messages.utils import convert_to_openai_messages
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.utils.function_calling import convert_to_openai_tool

    class ChatLegwork(BaseChatModel):
        model_name: str = agent_model.model or default_model()
        max_tokens: int = agent_model.max_tokens
        stop: list[str] | None = None

        @property
        def _llm_type(self) -> str:
            return "legwork"

        def bind_tools(self, tools: Any, *, tool_choice: Any = None, **options: Any) -> Any:
            if tool_choice:
                options["tool_choice"] = _tool_choice(tool_choice)
            return self.bind(tools=[convert_to_openai_tool(one) for one in tools], **options)

        def _reply(self, messages: list[BaseMessage], options: Mapping[str, Any]) -> dict[str, Any]:
            """The fields of a message."""
            sent = {name: options[name] for name in SENT_OPTIONS if options.get(name)}
            body = {"model": self.model_name, "messages": convert_to_openai_messages(messages)}
            body |= {"max_tokens": self.max_tokens, "stream": False} | sent
            reply = _by_schema(agent_model, body) if small else _asked(agent_model, body, None)
            used = reply.bill.usage
            usage = {"input_tokens": used.prompt, "output_tokens": used.completion, "total_tokens": used.tokens}
            kept = {"bill": jsonsafe.dumps(asdict(reply.bill) | _as_texts(reply.bill)), "model_name": body["model"]}
            fields = {"content": reply.text, "tool_calls": reply.calls}
            return fields | {"usage_metadata": usage, "response_metadata": kept}

        def _generate(
            self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **options: Any
        ) -> ChatResult:
            message = AIMessage(**self._reply(messages, {**options, "stop": stop or self.stop}))
            return ChatResult(generations=[ChatGeneration(message=message)])

        def _stream(
            self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **options: Any
        ) -> Iterator[ChatGenerationChunk]:
            """The whole reply as one chunk: what it took counts against the budget, which is known at its end."""
            message = self._reply(messages, {**options, "stop": stop or self.stop})
            yield ChatGenerationChunk(message=AIMessageChunk(**message, chunk_position="last"))

    return ChatLegwork()


def _tool_choice(choice: Any) -> Any:
    """In the words of the provider's wire; LangChain also takes the name of a tool, and "any" and True for some tool."""
    if choice is True or choice == "any":
        return "required"
    if not isinstance(choice, str) or choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _by_schema(agent_model: AgentModel, body: Mapping[str, Any]) -> ModelReply:
    messages, offered = body["messages"], body.get("tools", [])
    task = next(one["content"] for one in reversed(messages) if one["role"] == "user")
    if messages[-1]["role"] == "tool":
        prompt = f"Question: {task}\nResult: {messages[-1]['content']}\nAnswer the question in one sentence."
        return _completed(agent_model, prompt)
    name = _likeliest(task, offered)
    if name is None:
        return _completed(agent_model, task)
    schema = TOOLS[name].Arguments.model_json_schema()
    prompt = f"Fill in the arguments of {name} as JSON. {' '.join(TOOLS[name].details)}\nRequest: {task}"
    return _completed(agent_model, prompt, schema, name)


def _likeliest(task: str, offered: list[dict[str, Any]]) -> str | None:
    if not offered:
        return None
    vector, *offers = warm_child.embed([task, *(one["function"]["description"] for one in offered)])
    likeness = [_product(vector, one) for one in offers]
    best = max(range(len(offers)), key=likeness.__getitem__)
    return str(offered[best]["function"]["name"]) if likeness[best] >= LEAST_LIKENESS else None


def _product(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _completed(
    agent_model: AgentModel, prompt: str, schema: Mapping[str, Any] | None = None, tool: str | None = None
) -> ModelReply:
    body: dict[str, Any] = {"model": agent_model.model, "messages": [{"role": "user", "content": prompt}]}
    body |= {"max_tokens": agent_model.max_tokens, "temperature": 0}
    body |= {"response_format": response_format(schema)} if schema else {}
    return _asked(agent_model, body, tool)


def _asked(agent_model: AgentModel, body: dict[str, Any], tool: str | None) -> ModelReply:
    """The reply, if the next step fits into the budget. Raises BudgetSpent."""
    most = most_tokens(body) + len(json.dumps(body.get("tools", []))) // 2

    async def ask() -> ModelReply:
        async with router.open_client() as model:
            async with agent_model.budget.room_for(most, model.most_cost(body)) as spend:
                answer = await model.send(body, again=spend.again)
                spend.bill = answer.bill
            return _reply(replace(answer, bill=spend.bill), tool)

    return _waited(ask(), agent_model.check)


def _reply(answer: Completion, tool: str | None) -> ModelReply:
    if tool is not None:
        return ModelReply("", [_call(ToolCall(tool, answer.text), answer)], answer.bill)
    calls = [_call(one, answer) for one in answer.calls]
    return ModelReply(answer.text if calls else answer.given().text, calls, answer.bill)


def bill_of(message: Any) -> Bill:
    """What a reply took, as it was stored with it."""
    kept = (message.response_metadata or {}).get("bill")
    if not kept:
        used = message.usage_metadata or {}
        return Bill(CallUsage(used.get("input_tokens", 0), used.get("output_tokens", 0)))
    found = json.loads(kept)
    dollars = {
        name: Decimal(found[name]) if found[name] is not None else None for name in ("cost", "held", "unsure", "saved")
    }
    return Bill(**{**found, **dollars, "usage": CallUsage(**found["usage"])})


def _as_texts(bill: Bill) -> dict[str, str | None]:
    return {
        "cost": None if bill.cost is None else str(bill.cost),
        "held": str(bill.held),
        "unsure": str(bill.unsure),
        "saved": str(bill.saved),
    }


def _call(call: ToolCall, answer: Completion) -> dict[str, Any]:
    """A tool call with a new id, because some providers repeat theirs in the next reply."""
    try:
        given = json.loads(responses.json_of(call.arguments or "{}"))
    except ValueError as error:
        why = f"they were cut off at {answer.completion_tokens} tokens" if answer.cut_off else str(error)
        given = {NOT_JSON: f"{why}. They are: “{call.arguments[:MOST_SHOWN]}”."}
    if not isinstance(given, dict):
        given = {NOT_JSON: f"an object is needed, not “{call.arguments[:MOST_SHOWN]}”."}
    return {"name": call.name, "args": given, "id": uuid4().hex, "type": "tool_call"}


def _waited(work: Coroutine[Any, Any, Came], check: Callable[[], None]) -> Came:
    """The result of the coroutine, while `check` is polled."""

    async def watch() -> Came:
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=LOOK_SECONDS)
                check()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)  # so that it closes its connections

    return asyncio.run(watch())
