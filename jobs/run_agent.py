"""Let an agent work on a task with tools.

A language model works in steps: it thinks, calls tools, reads their results, and answers. After a kill it continues from its
last step. Its tools only read; calls of tools that you choose wait for your approval.
"""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal
from uuid import uuid4

from jobs.engine import llm, queue
from jobs.engine.kits.agents import (
    Agent,
    AgentCare,
    AgentLimits,
    AgentModel,
    AgentStep,
    ApprovalGate,
    checkpoints,
    recorded_calls,
    traced_step,
)
from jobs.engine.kits.tools import TOOL_WORDS, TOOLS, ToolContext
from jobs.engine.sdk import (
    BadInput,
    BudgetSpent,
    Context,
    Estimate,
    FieldError,
    FileRef,
    Find,
    Input,
    ItemColumn,
    KindParams,
    KindResult,
    Output,
    ShortText,
    dollar_limit,
    figure,
    param,
)

TITLE = "Run an agent"
GROUP = "Text and AI"
WORDS = "research, ask, question, tools, assistant, llm, ai, browse, analyse"
QUEUE = "io"
ASKS_MODEL = True
NEEDS = ("langchain.agents", "langgraph.checkpoint.postgres", "aiohttp")
NOUN = ("step", "steps")
ONE_PIECE = True
ITEMS_APART = True
RESULT_TEMPLATE = "jobs/results/run_agent.html"

TRACED = 200  # steps on its page
SHOWN = 4_000  # characters of a result in its row
SMALL = (
    "The built-in model can use only one tool, chosen by similarity to the task. Connect a larger model for real work."
)

Name = Literal["search_library", "read_document", "query_table", "calculate", "fetch_page", "run_command"]


class Params(KindParams):
    task: str = param("Task", widget="text", min_length=1, max_length=20_000)
    tools: list[Name] = param(
        "Tools",
        "Tools that the agent may use.",
        default=["search_library", "read_document", "calculate"],
        words=TOOL_WORDS,
    )
    approve: list[Name] = param(
        "Ask before",
        "Each call of these tools waits until you approve or refuse it on the job's page.",
        default=[],
        within="tools",
        words=TOOL_WORDS,
    )
    files: list[FileRef] = param("Files", "The agent gets their ids and names.", default=[], max_length=20)
    hosts: list[ShortText] = param(
        "Hosts",
        "The only hosts that “Fetch a page” may call, such as example.org.",
        default=[],
        only_if={"tools": ["fetch_page"]},
        max_length=50,
    )
    model: str = param("Model", "Empty: the configured model.", default="", advanced=True, max_length=200)
    max_tokens: int = param("Longest answer", default=1_024, ge=16, le=32_768, unit="tokens", advanced=True)
    max_steps: int = param(
        "Most steps", "The agent stops there with its last text.", default=20, ge=1, le=200, unit="steps"
    )
    token_budget: int | None = param(
        "Token budget",
        "The agent stops there with its last text. Empty: no limit.",
        default=None,
        ge=1,
        le=10**12,
        unit="tokens",
    )
    cost_limit: float | None = dollar_limit("No step starts that could pass it.")
    seconds: int = param("Longest time", default=900, ge=1, le=14_400, unit="seconds")
    approval_hours: int = param(
        "Longest wait for approval",
        "After that the call is not made, and the agent continues without it.",
        default=24,
        ge=1,
        le=720,
        unit="hours",
        advanced=True,
    )


COLUMNS = (
    ItemColumn("thought", "Thought", "markdown"),
    ItemColumn("tool", "Tool", "tag", words=TOOL_WORDS, facet=True),
    ItemColumn("arguments", "Arguments", "tree"),
    ItemColumn("result", "What it gave", "markdown"),
    ItemColumn("seconds", "Took", "seconds"),
    ItemColumn("calls", type="hidden"),
    ItemColumn("step", type="hidden", role="yours"),
)


class Result(KindResult):
    answer: str = figure("Answer", type="markdown")
    model: str = figure("Model", shown="never")


EXAMPLE: dict[str, Any] = {
    "task": "How much is 17 percent of the 60 orders in orders.csv? Look, calculate, then answer in one sentence.",
    "tools": ["query_table", "calculate"],
    "files": ["sample:orders.csv"],
}


def check(params: Params, find: Find) -> list[FieldError]:
    errors = []
    try:
        _task(params, find)
    except BadInput as error:
        errors.append(FieldError("files", error.message))
    if unknown := [name for name in params.approve if name not in params.tools]:
        errors.append(FieldError("approve", f"{', '.join(unknown)} is not among the agent's tools."))
    if "fetch_page" in params.tools and not params.hosts:
        errors.append(
            FieldError("hosts", "fetch_page calls only hosts that are listed here. Add one, or remove the tool.")
        )
    if (missing := llm.setup_error()) is not None:
        errors.append(FieldError("model", missing))
    return errors


def estimate(params: Params, find: Find) -> Estimate:
    notes: tuple[str, ...] = (SMALL,) if llm.describe().built_in else ()
    if params.approve:
        notes += (f"Each call of {', '.join(params.approve)} waits for your approval.",)
    return Estimate(notes=notes)


def label(params: Params, find: Find) -> str:
    return textwrap.shorten(params.task, 120, placeholder="…")


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    budget = context.budget(params.token_budget, params.cost_limit)
    budget.used = 0  # the steps of earlier attempts are counted as they are read
    agent_model = AgentModel(params.model, params.max_tokens, budget, context.check)
    files = _by_name(params.files, context.open)
    reach = ToolContext(context.job.owner, files, context.check, tuple(params.hosts))
    tools = [TOOLS[name] for name in dict.fromkeys(params.tools)]
    small = llm.describe().built_in
    if small:
        context.log(SMALL, "warning")
    gate = ApprovalGate(context.job.job_id, frozenset(params.approve), params.approval_hours)
    limits = AgentLimits(params.max_steps, params.seconds)
    agent = Agent(agent_model, small, tools, reach, limits, AgentCare(context.once, gate))
    thread = context.once("thread", lambda: f"{context.job.job_id}:{uuid4().hex}")  # a new one if the job starts over
    answer = context.once("answer", lambda: _answer(agent, thread, params, context))
    checkpoints.forget(thread)
    context.progress(total=answer["steps"])
    model = params.model or llm.default_model()
    summary = {"answer": answer["answer"], "tokens": sum(context.used), "model": model}
    result = summary | {"seconds": round(time.monotonic() - began, 1)}
    if answer["stopped"]:
        if answer["answer"]:
            context.save("answer so far.md", answer["answer"], "text/markdown")
        context.so_far = result
        raise BudgetSpent(answer["stopped"], reason=answer["reason"])
    return result


def _answer(agent: Agent, thread: str, params: Params, context: Context) -> dict[str, Any]:
    """Run the agent, recording each step. Returns the answer, or why it was stopped."""
    with checkpoints.opened() as saver:
        steps = agent.steps(saver, thread, _task(params, context.open), "")
        for handle in context.items(steps, key=lambda step: str(step.number), row=_row):
            with handle as step:
                handle.output = _output(step)
    ended = agent.ended
    why = {"stopped": ended and ended.message, "reason": ended and ended.reason}
    return {"answer": agent.answer, "steps": agent.taken, **why}


def _by_name(refs: list[str], find: Callable[[str], Input]) -> Callable[[str], Input]:
    """Opens a file of the task also by its name, which models prefer to its id."""

    def found(ref: str) -> Input:
        named = [one for one in refs if one != ref and find(one).name == ref] if ref not in refs else []
        return find(named[0] if len(named) == 1 else ref)

    return found


def _task(params: Params, find: Find) -> str:
    files = [f"{ref} ({find(ref).name})" for ref in params.files]
    return params.task + ("\n\nFiles, by their ids: " + ", ".join(files) if files else "")


def _row(step: AgentStep) -> dict[str, Any]:
    return {"step": step.number}


def _output(step: AgentStep) -> Output:
    results = [step.results[call["id"]] for call in step.calls]
    columns = {
        "thought": step.thought,
        "tool": ", ".join(call["name"] for call in step.calls) or None,
        "arguments": "\n".join(json.dumps(call["args"], ensure_ascii=False) for call in step.calls) or None,
        "result": "\n\n".join(results)[:SHOWN] or None,
        "seconds": step.seconds,
        "calls": recorded_calls(step.calls, step.results) or None,
    }
    return Output(columns, bill=step.bill)


def view(job: queue.JobView, query: Mapping[str, str]) -> dict[str, Any] | None:
    """Variables of the job's page: the steps, and the calls that were allowed or refused."""
    steps = queue.items(job, limit=TRACED).rows
    if not steps:
        return None
    asked = [one for one in queue.approvals_of(job) if one.decided_at]
    waited = {one.call: (one.decided_at - one.asked_at).total_seconds() for one in asked if one.decided_at}
    trace = [
        traced_step(item.position, item.output or {}, item.seconds, item.tokens, item.error or "", waited)
        for item in steps
    ]
    return {"trace": trace, "words": TOOL_WORDS, "more": job.finished > TRACED}
