"""Text from any API model, through litellm. Keys come from the environment and stay there.

litellm's own retries are off: without a package that it does not ask for they do nothing, and
with it they repeat a 400 and never wait. See judges.engines.retry for ours.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from bench.types import BenchError, Status, Usage
from judges.engines.base import Conversation, Reply, Tag
from judges.engines.calls import in_flight
from judges.engines.retry import Backoff, Retry, Transient, retry_after_s

_NEVER = {401: "refused the key", 402: "wants payment", 403: "refused access", 404: "found nothing"}
_AGAIN = {408, 409, 425, 429}  # besides 5xx: the statuses of a 4xx that may pass
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.I)


@dataclass(frozen=True)
class Sampling:
    """What is asked of the model besides the conversation. `temperature`: None leaves it to the
    model. `max_tokens`: of a completion. `seed`: for servers that draw by it. `api_base`: address
    of an OpenAI-style server, None for the provider's own."""

    temperature: float | None = 0.0
    max_tokens: int = 512
    seed: int | None = None
    api_base: str | None = None

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise BenchError(f"temperature is {self.temperature}; 0 to 2 expected")
        if self.max_tokens < 1:
            raise BenchError(f"max_tokens is {self.max_tokens}; 1 or more expected")
        parts = urlsplit(self.api_base or "http://none")
        if parts.scheme not in ("http", "https") or parts.username or parts.query:
            raise BenchError(
                "api_base: an http or https address without user, password or query expected, "
                "for example http://127.0.0.1:8000/v1. Keys belong in the environment."
            )


class LitellmEngine:
    """A text engine over litellm.acompletion.

    `model`: PROVIDER/MODEL as litellm names it. `concurrency`: calls in flight at most.
    `timeout_s`: for one call, whole. Raises BenchError at once, before anything is asked, for an
    unknown provider or a key that is not in the environment.
    """

    def __init__(
        self,
        model: str,
        sampling: Sampling,
        *,
        concurrency: int = 16,
        timeout_s: float = 120.0,
        backoff: Backoff = Backoff(),  # noqa: B008  (frozen)
    ) -> None:
        if concurrency < 1 or not timeout_s > 0:
            raise BenchError(
                f"concurrency is {concurrency}, timeout {timeout_s} s; 1 or more calls and more "
                "than 0 s expected"
            )
        self._library = _library()
        self._model = model
        self._concurrency, self._timeout_s = concurrency, timeout_s
        self._retry = Retry(backoff)
        self._provider = _provider(self._library, model, sampling.api_base)
        asked = {
            "model": model,
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed,
            "api_base": sampling.api_base,
        }
        self._asked = {k: v for k, v in asked.items() if v is not None}

    def generate(self, requests: Iterable[tuple[Tag, Conversation]]) -> Iterator[tuple[Tag, Reply]]:
        """See TextEngine. Raises BenchError for a refused key, an unknown model or an option that
        the model does not take; calls in flight are then cancelled."""
        return in_flight(requests, self._reply, self._concurrency, self._finish)

    def close(self) -> None:
        """Nothing is held between calls of `generate`."""

    async def _reply(self, conversation: Conversation) -> Reply:
        start = time.perf_counter()
        try:
            reply = await self._retry(lambda: self._call(conversation))
        except Transient as error:
            reply = Reply(failed=Status.ERROR, note=error.note)
        usage = replace(reply.usage, latency_s=time.perf_counter() - start)
        return replace(reply, usage=usage)

    async def _call(self, conversation: Conversation) -> Reply:
        from openai import OpenAIError  # every exception of litellm's is one

        messages = [{"role": m.role, "content": m.content} for m in conversation]
        try:
            async with asyncio.timeout(self._timeout_s):  # the library's own is per read
                response = await self._library.acompletion(
                    messages=messages,
                    timeout=self._timeout_s,
                    num_retries=0,
                    max_retries=0,
                    **self._asked,
                )
        except TimeoutError as error:
            raise Transient(f"no answer within {self._timeout_s:g} s") from error
        except OpenAIError as error:
            return self._failed(error)
        return _read(response)

    def _failed(self, error: Exception) -> Reply:
        """What an exception of the library's means. Its text may hold keys and is not passed on,
        except what a server says of a bad request, with every secret taken out."""
        kinds = self._library.exceptions
        status = getattr(error, "status_code", None)
        note = f"{type(error).__name__} (HTTP {status})"
        if isinstance(error, kinds.ContextWindowExceededError) or status == 413:
            return Reply(failed=Status.TRUNCATED, note="the prompt is longer than the model reads")
        if (
            isinstance(error, kinds.ContentPolicyViolationError)
            or getattr(error, "code", None) == "content_filter"
        ):
            return Reply(failed=Status.REFUSED, note="the provider's content filter")
        if isinstance(error, kinds.UnsupportedParamsError):
            raise BenchError(
                f"{self._model} does not take an option that was given: {_redacted(error)} "
                "Give another value, or null in a card to leave it to the model."
            ) from error
        if status in _NEVER:
            raise BenchError(self._never(status)) from error
        if isinstance(status, int) and 400 <= status < 500 and status not in _AGAIN:
            return Reply(failed=Status.ERROR, note=f"{note}: {_redacted(error)}")
        headers = getattr(error, "litellm_response_headers", None) or {}
        raise Transient(note, retry_after_s(headers.get("retry-after"))) from error

    def _never(self, status: int) -> str:
        variable = f"{self._provider.upper()}_API_KEY"
        keys = variable if variable in os.environ else f"the keys of provider {self._provider!r}"
        advice = (
            "Check the model's name and api_base."
            if status == 404
            else f"Check {keys} in the environment, and what the account may use."
        )
        return f"{self._model}: the server {_NEVER[status]} (HTTP {status}). {advice}"

    async def _finish(self) -> None:
        await self._library.close_litellm_async_clients()
        # The cache knows clients by the id of their loop, and a later loop may get the same id.
        self._library.in_memory_llm_clients_cache.flush_cache()


def _library() -> Any:
    """litellm, quiet and without a look at the network."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    # A call that is cancelled while the library prepares it leaves this behind, and no harm.
    warnings.filterwarnings("ignore", r"coroutine '\S*completion' was never", RuntimeWarning)
    return litellm


def _provider(library: Any, model: str, api_base: str | None) -> str:
    """The provider of `model`, its keys found in the environment. Raises BenchError."""
    try:
        provider: str = library.get_llm_provider(model, api_base=api_base)[1]
    except library.exceptions.BadRequestError as error:
        raise BenchError(
            f"litellm knows no provider for {model!r}; PROVIDER/MODEL expected, for example "
            "openai/NAME, anthropic/NAME, or hosted_vllm/NAME with api_base=http://HOST:PORT/v1."
        ) from error
    missing = library.validate_environment(model)["missing_keys"]
    if api_base is not None:
        missing = [name for name in missing if not name.endswith("_API_BASE")]
    variable = f"{provider.upper()}_API_KEY"
    if os.environ.get(variable) == "":  # set and empty: the library takes it for a key
        missing = [variable]
    if missing:
        raise BenchError(
            f"{model} needs {' and '.join(missing)} in the environment. "
            f"Set it, for example: export {missing[0]}=..."
        )
    return provider


def _read(response: Any) -> Reply:
    """A response of the library's -> a reply. Raises Transient when it has not its shape."""
    try:
        choice = response.choices[0]
        text, finish = choice.message.content, choice.finish_reason
    except (AttributeError, IndexError, TypeError) as error:
        raise Transient("the server's answer has no completion") from error
    # Broken Unicode would not go into a file or the ledger.
    text = (text or "").encode("utf-8", "replace").decode()
    usage = _usage(getattr(response, "usage", None))
    if finish == "content_filter":
        note = "the provider's content filter"
        return Reply(text, failed=Status.REFUSED, note=note, usage=usage)
    return Reply(text, cut=finish == "length", usage=usage)


def _usage(counts: Any) -> Usage:
    """Tokens of a response; the library writes zeros where the server says nothing."""
    if counts is None or not counts.prompt_tokens:
        return Usage()
    prompt = getattr(counts, "prompt_tokens_details", None)
    completion = getattr(counts, "completion_tokens_details", None)
    return Usage(
        prompt_tokens=counts.prompt_tokens,
        cached_tokens=getattr(prompt, "cached_tokens", None),
        completion_tokens=counts.completion_tokens,
        reasoning_tokens=getattr(completion, "reasoning_tokens", None),
    )


def _redacted(error: Exception) -> str:
    """The first 200 characters of an error's text, without addresses and without the values of
    environment variables that look secret."""
    text = str(error)
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 6:
            text = text.replace(value, "***")
    return " ".join(re.sub(r"\w+://\S+", "(address)", text).split())[:200]
