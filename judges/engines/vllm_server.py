"""Reward models behind a running vLLM server: what judges.engines.vllm_scorer computes, over HTTP.

A conversation is sent as the tokens that were made here (``/pooling``, task classify), so that no
text in it can end a turn. A pair of texts is sent as such (``/score``): tokens alone would not say
which text each is of. A score is the number before any activation (``use_activation: false``, as
vLLM 0.32 has it).
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bench.types import BenchError, Context, Status, Usage
from judges.engines.base import Tag
from judges.engines.calls import in_flight
from judges.engines.client import Client, check_address, message, redacted
from judges.engines.decoding import TOO_LONG
from judges.engines.limits import Pace
from judges.engines.retry import Backoff, Transient, asked_again
from judges.engines.vllm_scorer import SequenceScores
from judges.models import Model
from judges.reward_input import Sequenced

if TYPE_CHECKING:
    import httpx

KEY = "HOSTED_VLLM_API_KEY"
_NO_SCORES = {404, 405, 501}
_LENGTH = re.compile(r"maximum (context|model) length")
_NAN = "not JSON compliant"  # of a number that JSON has no word for


class VllmServer:
    """`source`: the model, of which only the tokenizer is read here. `api_base`: the server's
    address, with or without ``/v1`` at its end. `name`: what the server calls the model.
    `limit`: tokens of a sequence at most, None for as many as the server takes. `concurrency`:
    calls in flight at most; fewer when the server says that it is asked too much. `timeout_s`: for
    one call, whole. A key for the server is taken from HOSTED_VLLM_API_KEY in the environment.

    Raises BenchError at once for values that are none.
    """

    def __init__(
        self,
        source: Model,
        context: Context,
        api_base: str,
        name: str,
        *,
        limit: int | None = None,
        concurrency: int = 16,
        timeout_s: float = 120.0,
        backoff: Backoff = Backoff(),  # noqa: B008  (frozen)
    ) -> None:
        check_address(api_base)
        if concurrency < 1 or not timeout_s > 0:
            raise BenchError(
                f"concurrency is {concurrency}, timeout {timeout_s} s; 1 or more calls and more "
                "than 0 s expected"
            )
        self._source, self._context, self._name = source, context, name
        self._base = api_base.rstrip("/").removesuffix("/v1")
        self._limit = math.inf if limit is None else limit
        self._concurrency, self._timeout_s, self._backoff = concurrency, timeout_s, backoff
        self._client = Client(f"hosted_vllm/{name}", api_base)
        if not (self._client.key().isascii() and self._client.key().isprintable()):
            raise BenchError(f"{KEY} holds characters that cannot be sent; set it again")

    pairs = True
    """It reads pairs of texts as well."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What changes scores beside the model and the tokens."""
        return {"api_base": self._base, "served": self._name}

    @cached_property
    def tokenizer(self) -> Any:
        """The model's, of transformers. Raises BenchError where it cannot be had here."""
        from transformers import AutoTokenizer

        source = self._source
        where = {} if source.path else {"revision": source.revision}  # a folder has no revision
        name = source.folder(self._context.cache, self._context.say)
        try:
            # False in so many words: else the library asks on the terminal whether it may run code.
            found = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **where)
            if len(found) <= len(found.all_special_tokens):  # what it makes where there is no file
                raise ValueError("no vocabulary beside its configuration")
        except (OSError, ValueError, ImportError) as error:
            raise BenchError(
                f"model {source.reference!r}: its tokenizer does not load here: {error}. Tokens "
                "are made here, not by the server: tokenizer.json and its like must be in the "
                "folder."
            ) from error
        return found

    def scores(
        self, sequences: Iterable[tuple[Tag, Sequenced]]
    ) -> Iterator[tuple[Tag, SequenceScores]]:
        """See VllmScorer.scores. Raises BenchError for a refused key, a model that the server does
        not know and a server that scores nothing; calls in flight are then cancelled."""
        import httpx

        key = self._client.key()
        # Keys are for this server alone: no redirect takes them elsewhere.
        http = httpx.AsyncClient(
            base_url=self._base,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=None,  # of a call as a whole, see _call
            limits=httpx.Limits(max_connections=self._concurrency),
        )
        pace = Pace(self._concurrency)
        return in_flight(
            sequences, lambda read: self._scored(read, http, pace), self._concurrency, http.aclose
        )

    def close(self) -> None:
        """Nothing is held between calls of `scores` but the tokenizer."""
        self.__dict__.pop("tokenizer", None)

    async def _scored(self, read: Sequenced, http: httpx.AsyncClient, pace: Pace) -> SequenceScores:
        began = 0.0

        async def once() -> SequenceScores:
            nonlocal began
            async with pace.call(len(read.ids)) as call:
                began = began or call.began
                return await self._call(read, http)

        if len(read.ids) > self._limit:
            return SequenceScores((), Status.TRUNCATED, TOO_LONG, Usage(len(read.ids), None, 0))
        try:
            scores = await asked_again(once, self._backoff, pace.hold)
        except Transient as error:
            scores = SequenceScores(failed=Status.ERROR, note=error.note)
        seconds = time.perf_counter() - began
        return replace(scores, usage=Usage(len(read.ids), None, 0, None, seconds))

    async def _call(self, read: Sequenced, http: httpx.AsyncClient) -> SequenceScores:
        import httpx

        path, asked = _question(read)
        asked |= {"model": self._name, "use_activation": False}
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await http.post(path, json=asked)
        except TimeoutError as error:
            raise Transient(f"no answer within {self._timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise Transient(type(error).__name__) from error
        if not response.is_success:
            return self._refused(response)
        return _answer(response.content, len(read.ids))

    def _refused(self, response: httpx.Response) -> SequenceScores:
        status, text = response.status_code, message(response.text)
        if status in _NO_SCORES:
            raise BenchError(
                f"the server has no model {self._name!r} that scores, or is no vLLM (HTTP {status}:"
                f" {redacted(text)}). Check api_base, and served=NAME where the server calls the "
                "model otherwise; vLLM scores when it is started on a reward model, or with "
                "--runner pooling."
            )
        if status in (401, 403):
            raise BenchError(
                f"the server refused the key (HTTP {status}). Check {KEY} in the environment."
            )
        if status == 400 and _LENGTH.search(text):
            return SequenceScores(failed=Status.TRUNCATED, note=TOO_LONG)
        if status == 400 and _NAN in text:
            return SequenceScores((math.nan,))
        after = response.headers.get("retry-after")
        found, note = self._client.answered(status, f"HTTP {status}", text, retry_after=after)
        return SequenceScores(failed=found, note=note)


def _question(read: Sequenced) -> tuple[str, dict[str, Any]]:
    if read.pair is None:
        return "/pooling", {"input": read.ids, "task": "classify"}
    return "/score", {"text_1": read.pair[0], "text_2": read.pair[1]}


def _answer(body: bytes, tokens: int) -> SequenceScores:
    """What an answer to one sequence of so many tokens says. Raises Transient for one that is none
    of vLLM's."""
    try:
        answer = json.loads(body)
        (found,) = answer["data"]
        numbers = found["data"] if "data" in found else [found["score"]]
        # null is how some servers write NaN.
        logits = tuple(math.nan if n is None else float(n) for n in numbers)
        counted = answer["usage"]["prompt_tokens"]
    except (ValueError, OverflowError, RecursionError, LookupError, TypeError) as error:
        raise Transient("the server's answer is no score") from error
    if counted != tokens:
        note = f"the server read {counted} tokens where the model's own tokenizer makes {tokens}"
        return SequenceScores(failed=Status.ERROR, note=note)
    return SequenceScores(logits)
