"""What ends a streamed answer early, as errors with a sentence for the person who waits. Nothing is tried again by itself."""

from __future__ import annotations

from collections.abc import Mapping

from urllib3.exceptions import TimeoutError as TimedOut

from jobs.engine.errors import BadInput, JobFailed, LegworkError, Transient
from jobs.engine.llm import connections, responses
from jobs.engine.llm.connections import Provider


def broken(provider: Provider, error: Exception, *, sent: bool, answered: bool) -> LegworkError:
    """What an error of the connection means: before the request was sent, before the answer began, or within it."""
    if isinstance(error, TimedOut | TimeoutError):
        if not sent:
            return Transient(_away(provider, f" within {connections.CONNECT_SECONDS:g} s"), reason="provider_away")
        return silent(provider.silence_seconds) if answered else _slow(provider.first_seconds)
    if answered:
        return Transient("The connection to the provider broke before the answer ended.", reason="provider_broke")
    if isinstance(error, ValueError):
        return JobFailed("OPENAI_BASE_URL is not an address that can be called.", reason="settings")
    return Transient(_away(provider, ""), reason="provider_away")


def silent(seconds: float) -> Transient:
    return Transient(f"The model fell silent: nothing came for {seconds:g} s.", reason="provider_silent")


def rubbish() -> Transient:
    return Transient("The provider sent something that is not part of an answer.", reason="provider_unwell")


def refusal(
    provider: Provider, status: int, headers: Mapping[str, str], said: str, code: str, model: str
) -> LegworkError:
    """What an answer other than 200 means."""
    if status == 429:
        return _busy(responses.busy(headers, said, code))
    if status in (408, 409, 425) or status >= 500:
        return Transient(f"The provider had an error ({status}). Try again in a moment.", reason="provider_unwell")
    if status in (401, 403):
        sentence = f"The provider refused the key in OPENAI_API_KEY ({status}). It says: {said}"
        return JobFailed(sentence, reason="provider_refused_key")
    if status == 402:
        return JobFailed(f"The provider asks for payment first. It says: {said}", reason="provider_credit")
    if status < 400 or status in (404, 405):
        sentence = f"The provider at {provider.host} has no model “{model}”, or no chat at this address ({status})."
        return JobFailed(f"{sentence} It says: {said}", reason="no_model")
    return BadInput(f"The provider refused this request. It says: {said}", reason="provider_refused")


def _away(provider: Provider, within: str) -> str:
    return f"The provider at {provider.host} could not be reached{within}. Try again in a moment."


def _slow(seconds: float) -> Transient:
    return Transient(f"The model did not begin to answer within {seconds:g} s.", reason="provider_silent")


def _busy(error: Exception) -> LegworkError:
    if not isinstance(error, responses.Busy):
        assert isinstance(error, LegworkError)
        return error
    wait = f" It asks for a wait of {error.seconds:.0f} s." if error.seconds and error.seconds >= 1 else ""
    sentence = f"The provider is too busy for another answer now (429).{wait} Then try again."
    return Transient(sentence, reason="provider_busy", retry_after=error.seconds)
