"""What ends a streamed answer early, as errors with a sentence for the person who waits. Nothing is tried again by itself."""

from __future__ import annotations

from collections.abc import Mapping

from urllib3.exceptions import TimeoutError as TimedOut

from jobs.engine.errors import JobFailed, LegworkError, Transient
from jobs.engine.llm import connections, provider_errors
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
    found = provider_errors.meaning(status, headers, said, code)
    if isinstance(found, provider_errors.NotThere):
        sentence = f"The provider at {provider.host} has no model “{model}”, or no chat at this address ({status})."
        return JobFailed(f"{sentence} It says: {said}", reason="no_model")
    return shown(found)


def shown(found: Exception) -> LegworkError:
    """An error for the person who waits: nothing is tried again by itself."""
    if isinstance(found, provider_errors.Unwell):
        return Transient(f"{found}.{found.said} Try again in a moment.", reason="provider_unwell")
    if isinstance(found, provider_errors.Busy):
        wait = f" It asks for a wait of {found.seconds:.0f} s." if found.seconds and found.seconds >= 1 else ""
        sentence = f"The provider is too busy for another answer now (429).{wait} Then try again."
        return Transient(sentence, reason="provider_busy", retry_after=found.seconds)
    assert isinstance(found, LegworkError)
    return found


def _away(provider: Provider, within: str) -> str:
    return f"The provider at {provider.host} could not be reached{within}. Try again in a moment."


def _slow(seconds: float) -> Transient:
    return Transient(f"The model did not begin to answer within {seconds:g} s.", reason="provider_silent")
