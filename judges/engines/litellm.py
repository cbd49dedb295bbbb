"""Any API model, through litellm. Keys come from the environment and stay there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from bench.types import BenchError, Status
from judges.engines.base import AnswerScores, Reply, Request, Tag
from judges.engines.calls import in_flight
from judges.engines.client import Client, check_address
from judges.engines.completions import Answer, Form, NoLogprobs, by_probability, in_words
from judges.engines.hedge import charged, hedged
from judges.engines.limits import Call, Pace
from judges.engines.retry import Backoff, Transient, asked_again

CHARACTERS = 4  # to a token, about, where the true number is not known yet


@dataclass(frozen=True)
class Sampling:
    """What is asked of the model besides the conversation. `temperature`: None leaves it to the
    model. `max_tokens`: of a completion. `seed`: for servers that draw by it; None: the request's
    own, where the model draws and the provider takes one. `api_base`: address of an OpenAI-style
    server, None for the provider's own."""

    temperature: float | None = 0.0
    max_tokens: int = 512
    seed: int | None = None
    api_base: str | None = None

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise BenchError(f"temperature is {self.temperature}; 0 to 2 expected")
        if self.max_tokens < 1:
            raise BenchError(f"max_tokens is {self.max_tokens}; 1 or more expected")
        if self.api_base is not None:
            check_address(self.api_base)


class Questions:
    """What is asked of one model: the options of a call, by the form of the answer.

    `top_logprobs`: how many of the most probable first tokens are asked for; providers give 20 at
    most, some 5. Raises BenchError as Client does.
    """

    def __init__(self, model: str, sampling: Sampling, top_logprobs: int) -> None:
        if top_logprobs < 1:
            raise BenchError(f"top_logprobs is {top_logprobs}; 1 or more expected")
        self.client = Client(model, sampling.api_base)
        self._sampling, self._top = sampling, top_logprobs
        drawn = sampling.temperature != 0 and sampling.seed is None
        self._seeded = drawn and self.client.takes("seed")

    def words(self) -> Form[Reply]:
        """Asking for text."""
        return in_words()

    def probabilities(self) -> Form[AnswerScores]:
        """Asking for the first token. Raises BenchError for a provider that gives no logprobs."""
        if not self.client.takes("logprobs", "top_logprobs"):
            raise self.no_logprobs()
        return by_probability(self._top)

    def messages(self, request: Request) -> list[dict[str, str]]:
        """The conversation of a call. Broken Unicode cannot be sent and becomes question marks."""
        texts = [m.content.encode("utf-8", "replace").decode() for m in request.conversation]
        roles = [m.role for m in request.conversation]
        return [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]

    def options(self, form: Form[Answer], request: Request) -> dict[str, Any]:
        """The options of a call, as the OpenAI API names them."""
        asked: dict[str, Any] = {
            "temperature": self._sampling.temperature,
            "max_tokens": self._sampling.max_tokens,
            # Providers take 32 bits or more.
            "seed": request.seed % 2**31 if self._seeded else self._sampling.seed,
            **form.options,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def no_logprobs(self) -> BenchError:
        """The error of a server that keeps the probabilities to itself."""
        return BenchError(
            f"{self.client.model}: the server gives no log-probabilities of its most probable "
            "first tokens (logprobs, top_logprobs). Read the verdict from its text: read=text."
        )


class LitellmEngine:
    """An engine over litellm.acompletion: it writes, and scores where the provider gives logprobs.

    `model`: PROVIDER/MODEL as litellm names it. `concurrency`: calls in flight at most; fewer when
    the server says that it is asked too much. `rpm`, `tpm`: requests and tokens a minute at most.
    `timeout_s`: for one call, whole. `top_logprobs`: see Questions. `price_share`: of the list
    price that a call costs. `hedge_s`: seconds until a call is made a second time, see
    judges.engines.hedge; both are then charged, for a provider bills what it began, and the one
    that is cut off is taken for as long as the other. Raises BenchError at once, before anything is
    asked, for an unknown provider or a key that is not in the environment.
    """

    price_share = 1.0

    def __init__(
        self,
        model: str,
        sampling: Sampling,
        *,
        concurrency: int = 16,
        rpm: int | None = None,
        tpm: int | None = None,
        timeout_s: float = 120.0,
        hedge_s: float | None = None,
        top_logprobs: int = 20,
        backoff: Backoff = Backoff(),  # noqa: B008  (frozen)
    ) -> None:
        if hedge_s is not None and not 0 < hedge_s < timeout_s:
            raise BenchError(
                f"hedge is {hedge_s} s; more than 0 and less than the timeout, {timeout_s:g} s, "
                "expected"
            )
        if concurrency < 1 or not timeout_s > 0:
            raise BenchError(
                f"concurrency is {concurrency}, timeout {timeout_s} s; 1 or more calls and more "
                "than 0 s expected"
            )
        self._limits = (concurrency, rpm, tpm)
        Pace(*self._limits)  # bad limits are found before anything is asked
        self._questions = Questions(model, sampling, top_logprobs)
        self._client = self._questions.client
        self._target = {"model": model, **({"api_base": b} if (b := sampling.api_base) else {})}
        self._timeout_s, self._hedge_s, self._backoff = timeout_s, hedge_s, backoff
        self.library_usd: float | None = 0.0
        """What the answers so far cost by the library's own prices, in US dollars; None where it
        does not know the price of each."""

    def generate(self, requests: Iterable[tuple[Tag, Request]]) -> Iterator[tuple[Tag, Reply]]:
        """See TextEngine. Raises BenchError for a refused key, an unknown model or an option that
        the model does not take; calls in flight are then cancelled."""
        return self._ask(requests, self._questions.words())

    def answer_logprobs(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        """See AnswerEngine; the probabilities are lower bounds, see `by_probability`. Raises
        BenchError as `generate` does, and when the server gives no probabilities. An answer of
        several tokens is never found: its probability is 0."""
        return self._ask(requests, self._questions.probabilities())

    def close(self) -> None:
        """Nothing is held between calls of `generate`."""

    def _ask(
        self, requests: Iterable[tuple[Tag, Request]], form: Form[Answer]
    ) -> Iterator[tuple[Tag, Answer]]:
        pace = Pace(*self._limits)
        return in_flight(
            requests,
            lambda request: self._answer(request, form, pace),
            self._limits[0],
            self._finish,
        )

    async def _answer(self, request: Request, form: Form[Answer], pace: Pace) -> Answer:
        options = self._questions.options(form, request)
        size = sum(len(message.content) for message in request.conversation)
        estimate = size // CHARACTERS + int(options["max_tokens"])
        began = 0.0

        async def once(sent: asyncio.Event) -> tuple[Answer, float | None]:
            nonlocal began
            async with pace.call(estimate) as call:
                began = began or call.began
                sent.set()
                return await self._call(request, form, options, call)

        try:
            (answer, usd), calls = await asked_again(
                lambda: hedged(once, self._hedge_s), self._backoff, pace.hold
            )
        except Transient as error:
            answer, usd, calls = form.make(failed=Status.ERROR, note=error.note), 0.0, 1
        if self.library_usd is not None:
            self.library_usd = None if usd is None else self.library_usd + calls * usd
        # From the first call that was let through: what limits hold back is no time of the model's.
        usage = replace(charged(answer.usage, calls), latency_s=time.perf_counter() - began)
        return replace(answer, usage=usage)

    async def _call(
        self, request: Request, form: Form[Answer], options: dict[str, Any], call: Call
    ) -> tuple[Answer, float | None]:
        """The answer, and what it costs by the library's prices, see `library_usd`."""
        from openai import OpenAIError  # every exception of litellm's is one

        messages = self._questions.messages(request)
        try:
            async with asyncio.timeout(self._timeout_s):  # the library's own is per read
                response = await self._client.library.acompletion(
                    messages=messages,
                    timeout=self._timeout_s,
                    num_retries=0,
                    max_retries=0,
                    **self._target,
                    **options,
                )
        except TimeoutError as error:
            raise Transient(f"no answer within {self._timeout_s:g} s") from error
        except OpenAIError as error:
            status, note = self._client.failed(error)
            return form.make(failed=status, note=note), 0.0
        try:
            answer = form.read(response, request)
        except NoLogprobs:
            raise self._questions.no_logprobs() from None
        usage = answer.usage
        if usage.prompt_tokens is not None:
            call.tokens = usage.prompt_tokens + (usage.completion_tokens or 0)
        usd = getattr(response, "_hidden_params", {}).get("response_cost")
        return answer, float(usd) if usd else None  # 0: of servers that it has no prices of

    async def _finish(self) -> None:
        await self._client.library.close_litellm_async_clients()
        # The cache knows clients by the id of their loop, and a later loop may get the same id.
        self._client.library.in_memory_llm_clients_cache.flush_cache()
