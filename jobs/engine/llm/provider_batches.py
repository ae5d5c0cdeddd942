"""A provider's own batches: it answers a file of requests within 24 hours, for half the price. OpenAI's wire, by its package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from jobs.engine import settings
from jobs.engine.errors import JobFailed, LegworkError, Transient
from jobs.engine.llm import model_list, providers

if TYPE_CHECKING:
    from openai.types import Batch

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000  # OpenAI's own limits of one batch
WINDOW: Literal["24h"] = "24h"
SECONDS = 60.0  # for one call
SEARCHED = 500  # batches of the account that are looked through for ours
SKEW = timedelta(minutes=10)  # that the provider's clock may be behind ours; it counts whole seconds, too
ENDED = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True)
class ProviderStatus:
    """How a batch stands at the provider. files: those with answers and errors that there are. trouble: why it failed."""

    id: str
    status: str
    files: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def ended(self) -> bool:
        return self.status in ENDED


def offers_batches() -> bool:
    """Whether the provider answers batches: OpenAI's own does, another where PROVIDER_BATCHES says so."""
    current = settings.current()
    return current.has_model and (model_list.is_openai() or current.provider_batches)


def batch_error(model: str) -> str:
    """Why requests to this model cannot go into a batch, as a sentence; empty where they can."""
    if not offers_batches():
        return "This provider has no batches at half the price. Choose now, or ask an operator for PROVIDER_BATCHES."
    if (other := model.rpartition("@")[2]) != model and other in providers.named():
        return f"Batches go to the default connection, and not to “{other}”. Choose now, or another model."
    return ""


class ProviderAccount:
    """The provider's account that is set. Each method raises Transient where another try may help, else JobFailed."""

    def __init__(self) -> None:
        import openai

        key = settings.current().openai_api_key or "none"
        self._client = openai.OpenAI(base_url=model_list.base_url(), api_key=key, max_retries=0, timeout=SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def upload(self, path: Path) -> str:
        """The id of a new file there; it is sent as it is read."""
        with _errors(), path.open("rb") as opened:
            return self._client.files.create(file=("requests.jsonl", opened), purpose="batch").id

    def create(self, file_id: str, endpoint: Any, labels: Mapping[str, str]) -> ProviderStatus:
        """Begin a batch. Not tried again here: it may have begun though no answer came."""
        with _errors():
            made = self._client.batches.create(
                input_file_id=file_id, endpoint=endpoint, completion_window=WINDOW, metadata=dict(labels)
            )
        return _status(made)

    def find(self, labels: Mapping[str, str], since: datetime) -> ProviderStatus | None:
        """The batch with these labels, made since then; None where there is none."""
        with _errors():
            for place, one in enumerate(self._client.batches.list(limit=100)):
                if labels.items() <= (one.metadata or {}).items():
                    return _status(one)
                if place >= SEARCHED or datetime.fromtimestamp(one.created_at, UTC) < since - SKEW:
                    return None
        return None

    def look(self, batch_id: str) -> ProviderStatus:
        with _errors():
            return _status(self._client.batches.retrieve(batch_id))

    def cancel(self, batch_id: str) -> None:
        """Stop a batch, unless it has ended."""
        import openai

        try:
            self._client.batches.cancel(batch_id)
        except (openai.NotFoundError, openai.ConflictError, openai.BadRequestError):
            return  # it has ended, or is gone
        except openai.APIError as error:
            raise Transient("The provider could not be reached to stop its batch.", reason="provider_unwell") from error

    def fetch(self, file_id: str, target: Path) -> None:
        """Download a file in pieces."""
        with _errors(), self._client.files.with_streaming_response.content(file_id) as answer:
            answer.stream_to_file(target)


@contextmanager
def _errors() -> Iterator[None]:
    import openai

    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise JobFailed(model_list.REFUSED_KEY, reason="provider_refused_key") from error
    except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
        raise Transient("The provider's batches cannot be reached just now.", reason="provider_unwell") from error
    except openai.APIError as error:
        raise JobFailed(
            f"The provider refused the batch. It says: {error.message[:300]}", reason="provider_refused"
        ) from error


def _status(batch: Batch) -> ProviderStatus:
    problems = (batch.errors.data if batch.errors else None) or []
    files = tuple(one for one in (batch.output_file_id, batch.error_file_id) if one)
    return ProviderStatus(batch.id, batch.status, files, (problems[0].message or "") if problems else "")


def failed(trouble: str) -> LegworkError:
    """What a batch that the provider refused as a whole means."""
    return JobFailed(f"The provider refused the batch. It says: {trouble or 'nothing.'}", reason="provider_refused")
