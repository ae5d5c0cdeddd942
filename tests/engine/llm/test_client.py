"""The model client against a real server that behaves, and misbehaves, as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs.engine.errors import BadInput, JobFailed, Transient
from jobs.engine.llm import model_list, router
from jobs.engine.llm.client import Chat, Completion
from tests.fake_provider import FakeProvider, answer_to

SCHEMA = {
    "type": "object",
    "properties": {"mood": {"enum": ["good", "bad"]}},
    "required": ["mood"],
    "additionalProperties": False,
}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        yield running


def ask(provider: FakeProvider, prompt: str = "Hello", **options: Any) -> Completion:
    return ask_all(provider, [prompt], **options)[0]


def ask_all(
    provider: FakeProvider, prompts: list[str], *, api_key: str = "sk-test-123456", **options: Any
) -> list[Completion]:
    of_client = {name: options.pop(name) for name in ("answer_seconds", "connect_seconds") if name in options}

    async def run() -> list[Completion]:
        async with Chat(provider.base_url, api_key, "fake-small", backoff=0.01, **of_client) as model:
            return await asyncio.gather(
                *(model.complete([{"role": "user", "content": prompt}], **options) for prompt in prompts)
            )

    return asyncio.run(run())


def test_an_answer_has_its_text_its_tokens_and_its_end(provider: FakeProvider) -> None:
    answer = ask(provider, "What is a kettle?", max_tokens=60, temperature=0.4)
    assert answer.text == answer_to("What is a kettle?")
    assert (answer.finish_reason, answer.model, answer.refused) == ("stop", "fake-small", False)
    assert answer.prompt_tokens == 5
    assert answer.completion_tokens > 5
    call = provider.calls()[0]
    assert call["body"] == {"model": "fake-small", "max_tokens": 60, "temperature": 0.4, "stream": False}
    assert call["key"] == "sk-test-123456"


@pytest.mark.parametrize(
    "behaviour",
    [{"do": "status", "status": status} for status in (500, 502, 503, 504, 408)]
    + [{"do": what} for what in ("cut", "rubbish", "no_choices", "empty")],
    ids=lambda behaviour: str(behaviour.get("status", behaviour["do"])),
)
def test_what_is_not_an_answer_is_asked_for_again(provider: FakeProvider, behaviour: dict[str, Any]) -> None:
    provider.script(do=[behaviour | {"calls": 3}])
    assert ask(provider).text == answer_to("Hello")
    assert len(provider.calls()) == 4


@pytest.mark.parametrize("what", ["hang", "drip"])
def test_an_answer_that_takes_too_long_is_cut(provider: FakeProvider, what: str) -> None:
    provider.script(do=[{"do": what}])
    assert ask(provider, answer_seconds=0.5).text == answer_to("Hello")
    assert [call["did"] for call in provider.calls()] == [what, "answer"]


def test_four_bad_tries_are_enough(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "hang", "calls": 9}])
    with pytest.raises(Transient, match=r"^The model gave no answer within 0.2 s, four times\.$"):
        ask(provider, answer_seconds=0.2)
    assert len(provider.calls()) == 4


def test_nobody_at_the_address() -> None:
    with FakeProvider() as gone:
        pass
    with pytest.raises(Transient, match=r"^The provider at 127.0.0.1 could not be reached, four times\.$"):
        ask(gone)


def test_a_wait_in_seconds_is_obeyed_by_every_call(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 429, "retry_after": 1}])
    ask_all(provider, ["first"])
    refused, answered = provider.calls()
    assert answered["at"] - refused["at"] >= 1


@pytest.mark.slow
def test_a_wait_until_a_date_is_obeyed(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 429, "retry_after_date": 3}])
    assert ask(provider).text == answer_to("Hello")
    refused, answered = provider.calls()
    assert answered["at"] - refused["at"] >= 1.9  # a date has whole seconds


def test_without_a_named_wait_it_grows(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 429, "calls": 6}])
    assert ask(provider).text == answer_to("Hello")
    times = [call["at"] for call in provider.calls()]
    assert len(times) == 7
    assert times[6] - times[5] > times[1] - times[0]


def test_a_wait_of_hours_is_not_sat_out(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 429, "retry_after": 7200}])
    with pytest.raises(Transient, match="7200 s") as error:
        ask(provider)
    assert error.value.retry_after == 7200


def test_no_credit_ends_the_job(provider: FakeProvider) -> None:
    spent = {"do": "status", "status": 429, "code": "insufficient_quota", "message": "You exceeded your quota."}
    provider.script(do=[spent])
    with pytest.raises(JobFailed, match=r"no credit left: You exceeded your quota\."):
        ask(provider)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_request_brings_the_providers_words_without_the_key(provider: FakeProvider, status: int) -> None:
    message = "Too long for sk-test-123456, also Bearer abcdefghijk and sk-proj-0123456789. " + "x" * 500
    provider.script(do=[{"do": "status", "status": status, "message": message, "calls": 9}])
    with pytest.raises(BadInput, match=r"Too long for \[key\], also \[key\] and \[key\]") as error:
        ask(provider)
    assert len(str(error.value)) < 360
    assert len(provider.calls()) == 1


def test_a_refused_key_ends_the_job(provider: FakeProvider) -> None:
    provider.script(key="sk-right-key")
    with pytest.raises(JobFailed, match="refused the key") as error:
        ask(provider)
    assert "sk-test" not in str(error.value)
    assert len(provider.calls()) == 1


def test_an_unknown_model_is_named_with_those_on_offer(provider: FakeProvider) -> None:
    with pytest.raises(JobFailed, match=r"no model “gpt-9”\. It offers: fake-small, fake-large\."):
        ask(provider, model="gpt-9")


def test_a_wrong_path_is_told_from_an_unknown_model(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 404}])
    with pytest.raises(JobFailed, match="usually ends in /v1"):
        ask(provider)


def test_a_newer_name_for_the_limit_is_learned_once(provider: FakeProvider) -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    provider.script(do=[{"do": "status", "status": 400, "message": message}])
    assert ask(provider, max_tokens=50).text == answer_to("Hello")
    assert provider.calls()[1]["body"]["max_completion_tokens"] == 50


def test_a_cut_off_answer_is_kept_and_marked(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "length"}])
    answer = ask(provider)
    assert answer.cut_off
    assert answer_to("Hello").startswith(answer.text)


@pytest.mark.parametrize("what", ["refusal", "content_filter"])
def test_a_refusal_is_marked(provider: FakeProvider, what: str) -> None:
    provider.script(do=[{"do": what}])
    assert ask(provider).unwilling


def test_json_fits_its_schema(provider: FakeProvider) -> None:
    assert json.loads(ask(provider, json_schema=SCHEMA).text)["mood"] in ("good", "bad")
    asked = provider.calls()[0]["body"]["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["strict"] is True


def test_json_that_does_not_fit_is_asked_for_once_more_and_both_are_paid(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "wrong_json"}])
    answer = ask(provider, json_schema=SCHEMA)
    assert "mood" in answer.text
    assert answer.prompt_tokens == 4
    provider.script(do=[{"do": "wrong_json", "calls": 9}])
    with pytest.raises(BadInput, match="does not fit the JSON schema, twice"):
        ask(provider, json_schema=SCHEMA)
    assert len(provider.calls()) == 4


def test_json_that_was_cut_off_says_so(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "length"}])
    with pytest.raises(BadInput, match="cut off"):
        ask(provider, json_schema=SCHEMA)


def test_a_waiting_call_can_be_cancelled(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 429, "retry_after": 30}])

    async def run() -> None:
        async with Chat(provider.base_url, "", "fake-small") as model:
            task = asyncio.create_task(model.complete([{"role": "user", "content": "Hello"}]))
            while not provider.server.calls:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 5)

    asyncio.run(run())
    assert len(provider.calls()) == 1


def test_a_client_does_not_show_its_key(provider: FakeProvider) -> None:
    assert "sk-secret" not in repr(Chat(provider.base_url, "sk-secret", "fake-small"))


async def ask_router(model: str) -> None:
    async with router.open_client() as client:
        await client.complete([{"role": "user", "content": "Hello"}], model=model)


def test_only_models_that_are_allowed_are_asked(provider: FakeProvider, environment: Callable[..., None]) -> None:
    known = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "sk-test-123456", "OPENAI_MODEL": "fake-small"}
    environment(**known)
    assert model_list.chosen_model("fake-large") == "fake-large" and model_list.models() == ["fake-small", "fake-large"]
    environment(**known, MODELS_ALLOWED="another, one more")
    assert model_list.chosen_model("") == "fake-small" and model_list.chosen_model("another") == "another"
    assert model_list.models() == ["fake-small"]
    before = len(provider.calls())
    with pytest.raises(
        JobFailed, match=r"“fake-large” may not be used here\. These may: fake-small, another, one more\."
    ):
        asyncio.run(ask_router("fake-large"))
    with pytest.raises(JobFailed):
        router.stream_chat({"model": "fake-large", "messages": []})
    assert len(provider.calls()) == before
