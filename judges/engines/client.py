"""litellm, for one model: quiet, its keys found, and what its failures mean.

litellm's own retries are off: without a package that it does not ask for they do nothing, and
with it they repeat a 400 and never wait. See judges.engines.retry for ours.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from typing import Any, NoReturn
from urllib.parse import urlsplit

from bench.types import BenchError, Status
from judges.engines.completions import FILTERED
from judges.engines.retry import Transient, retry_after_s

_NEVER = {401: "refused the key", 402: "wants payment", 403: "refused access", 404: "found nothing"}
_AGAIN = {408, 409, 425, 429}  # besides 5xx: the statuses of a 4xx that may pass
_BUSY = {429, 503, 529}
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.I)
TOO_LONG = "the prompt is longer than the model reads"


class Client:
    """`model`: PROVIDER/MODEL as litellm names it; `provider` and `name`: the two apart. `base`:
    the server's address as far as the library knows it. `library`: litellm itself.

    Raises BenchError, before anything is asked, for an unknown provider or a missing key.
    """

    def __init__(self, model: str, api_base: str | None) -> None:
        self.library = _library()
        self.model = model
        try:
            found = self.library.get_llm_provider(model, api_base=api_base)
        except self.library.exceptions.BadRequestError as error:
            raise BenchError(
                f"litellm knows no provider for {model!r}; PROVIDER/MODEL expected, for example "
                "openai/NAME, anthropic/NAME, or hosted_vllm/NAME with api_base=http://HOST:PORT/v1"
            ) from error
        self.name: str = found[0]
        self.provider: str = found[1]
        self.base: str | None = api_base or found[3]
        self._key: str | None = found[2]
        self._check_keys(api_base)

    def _check_keys(self, api_base: str | None) -> None:
        missing = self.library.validate_environment(self.model)["missing_keys"]
        if api_base is not None:
            missing = [name for name in missing if not name.endswith("_API_BASE")]
        variable = f"{self.provider.upper()}_API_KEY"
        if os.environ.get(variable) == "":  # set and empty: the library takes it for a key
            missing = [variable]
        if missing:
            raise BenchError(
                f"{self.model} needs {' and '.join(missing)} in the environment. "
                f"Set it, for example: export {missing[0]}=..."
            )

    def key(self) -> str:
        """The key that the library would use; empty when it needs none. Never to be written."""
        return self._key or os.environ.get(f"{self.provider.upper()}_API_KEY", "")

    def takes(self, *options: str) -> bool:
        """Whether the library passes all these options on to the provider."""
        known = self.library.get_supported_openai_params(self.name, self.provider) or ()
        return all(option in known for option in options)

    def failed(self, error: Exception) -> tuple[Status, str]:
        """What an exception of the library's says of its one request. Its text may hold keys and
        is not passed on, except what a server says of a bad request, with every secret taken out.

        Raises Transient for what may pass, BenchError for what no request would survive.
        """
        kinds = self.library.exceptions
        if isinstance(error, kinds.ContextWindowExceededError):
            return Status.TRUNCATED, TOO_LONG
        if isinstance(error, kinds.ContentPolicyViolationError):
            return Status.REFUSED, FILTERED
        if isinstance(error, kinds.UnsupportedParamsError):
            self.unsupported(error)
        status = getattr(error, "status_code", None)
        headers = getattr(error, "litellm_response_headers", None) or {}
        note = f"{type(error).__name__} (HTTP {status})"
        code = getattr(error, "code", None)
        return self.answered(status, note, str(error), code, headers.get("retry-after"))

    def unsupported(self, error: Exception) -> NoReturn:
        """Raises BenchError for an option that the provider does not take."""
        raise BenchError(
            f"{self.model} does not take an option that was given: {redacted(str(error))} "
            "Give another value, or null in a card to leave it to the model."
        ) from error

    def answered(
        self, status: Any, note: str, text: str, code: Any = None, retry_after: str | None = None
    ) -> tuple[Status, str]:
        """What an HTTP status other than 200 means, with the `text` and `code` of the server's
        error object; no status: there was no answer. Raises as `failed` does."""
        if status == 413 or code == "context_length_exceeded":
            return Status.TRUNCATED, TOO_LONG
        if code == "content_filter":
            return Status.REFUSED, FILTERED
        if status in _NEVER:
            raise BenchError(self._never(status))
        if isinstance(status, int) and 400 <= status < 500 and status not in _AGAIN:
            return Status.ERROR, f"{note}: {redacted(text)}"
        raise Transient(note, retry_after_s(retry_after), busy=status in _BUSY)

    def _never(self, status: int) -> str:
        variable = f"{self.provider.upper()}_API_KEY"
        keys = variable if variable in os.environ else f"the keys of provider {self.provider!r}"
        advice = (
            "Check the model's name and api_base."
            if status == 404
            else f"Check {keys} in the environment, and what the account may use."
        )
        return f"{self.model}: the server {_NEVER[status]} (HTTP {status}). {advice}"


def _library() -> Any:
    """litellm, quiet and without a look at the network."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    # A call that is cancelled before it is under way leaves this behind, and no harm.
    warnings.filterwarnings(
        "ignore", r"coroutine '\S*(completion|try_connect)' was never", RuntimeWarning
    )
    return litellm


def check_address(api_base: str) -> None:
    """Raises BenchError for what is no address of a server, or holds what may be a secret."""
    try:
        parts = urlsplit(api_base)
        more = "@" in parts.netloc or parts.query or parts.fragment
        plain = bool(parts.hostname) and not more
        good = plain and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:  # a port that is none
        good = False
    if not good:
        raise BenchError(
            "api_base: an http or https address without user, password or query expected, for "
            "example http://127.0.0.1:8000/v1. Keys belong in the environment."
        )


def message(text: str) -> str:
    """What the error object in a body says, or the body where there is none."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, RecursionError, LookupError, TypeError):
        return text


def redacted(text: str) -> str:
    """The first 200 characters of an error's text, without addresses and without the values of
    environment variables that look secret."""
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 6:
            text = text.replace(value, "***")
    return " ".join(re.sub(r"\w+://\S+", "(address)", text).split())[:200]
