"""The provider by its own package, for what is asked now and then by a program of its own.

Loading it takes 0.6 s of the processor and 32 MB. A web process would stand still for so long, with all its streams, and each
job that calls a model would pay it once more; so those use urllib3 and aiohttp.
"""

from __future__ import annotations

from jobs.engine import settings
from jobs.engine.llm import model_list

SECONDS = 5.0
MOST_NAMED = 8


def model_error() -> str:
    """Why OPENAI_MODEL cannot be asked now, as a sentence; empty if the provider answers and offers it."""
    import openai

    current = settings.current()
    url, key = model_list.base_url(), current.openai_api_key or "none"
    try:
        with openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=SECONDS) as provider:
            offered = [model.id for model in provider.models.list()]
    except (openai.AuthenticationError, openai.PermissionDeniedError):
        return model_list.REFUSED_KEY
    except openai.APIStatusError as error:
        return model_list.failed(error.status_code)
    except openai.APIError:
        return model_list.NO_ANSWER
    except (AttributeError, TypeError, ValueError):  # the package does not check what it is sent
        return ""
    if not offered or current.model in offered:
        return ""
    some = ", ".join(offered[:MOST_NAMED]) + (", …" if len(offered) > MOST_NAMED else "")
    return f"The provider has no model “{current.model}”. It offers: {some}. Look at OPENAI_MODEL."
