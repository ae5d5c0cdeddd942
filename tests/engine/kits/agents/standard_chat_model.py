"""LangChain's own tests of chat models, for ours: test_chat_model.py has them run in a process of its own.

It is a plugin of that process besides: it stands in for the four plugins that those tests would like to have.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_tests.integration_tests.chat_models import ChatModelIntegrationTests
from langchain_tests.unit_tests.chat_models import ChatModelUnitTests

from jobs.engine.kits.agents.chat_model import AgentModel, chat_model
from jobs.engine.llm.budget import Budget
from tests.conftest import forget
from tests.fake_provider import FakeProvider

MAGIC = {"do": "tool", "match": "magic_function(3)", "calls": 1_000, "calls_tool": ["magic_function", {"input": 3}]}


def pytest_configure(config: pytest.Config) -> None:
    for name in ("benchmark", "vcr"):
        config.addinivalue_line("markers", f"{name}: of a plugin that is not here")


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**given))
    return True


@pytest.fixture(autouse=True, scope="session")
def provider() -> Iterator[None]:
    with FakeProvider() as provider, pytest.MonkeyPatch.context() as patch:
        provider.script(calls_tools=True, do=[MAGIC])
        patch.setenv("OPENAI_BASE_URL", provider.base_url)
        patch.setenv("OPENAI_API_KEY", "key")
        patch.setenv("OPENAI_MODEL", "fake-small")
        forget()
        yield


@pytest.fixture
def benchmark() -> Callable[[Callable[[], None]], None]:
    return lambda work: work()


@pytest.fixture
def snapshot() -> None:
    """For models that LangChain can store as JSON, which ours is not."""


@pytest.fixture
def vcr() -> None:
    """For recorded answers, of which there are none."""


class Ours:
    """What both kinds of tests ask about the model."""

    @property
    def chat_model_class(self) -> Callable[..., Any]:
        return type(chat_model(AgentModel("", 64, Budget(None), lambda: None), small=False))

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {}

    @property
    def model_override_value(self) -> str:
        return "fake-large"


class TestUnits(Ours, ChatModelUnitTests):
    pass


class TestOverTheWire(Ours, ChatModelIntegrationTests):
    pass
