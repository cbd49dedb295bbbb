"""Answers at half price, hours later: through a provider's batch API.

What has been handed over is written down (judges.engines.batch_records): the same requests drawn
by a later process wait for the batches that they are in, and are not paid for twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, cast

from filelock import FileLock, Timeout

from bench.types import BenchError, Status, content_key
from judges.engines.base import AnswerScores, Reply, Request, Tag
from judges.engines.batch_api import ENDPOINT, BatchApi, address
from judges.engines.batch_records import Records
from judges.engines.batch_run import BatchRun, Results
from judges.engines.calls import in_flight
from judges.engines.completions import Answer, Form, NoLogprobs
from judges.engines.litellm import Questions, Sampling
from judges.engines.retry import Backoff, Transient

AT_ONCE = 8  # batches under way
FILE_BYTES = 50_000_000  # of the requests in one batch; providers take 100 MB and more


@dataclass(frozen=True, slots=True)
class _Asked(Generic[Tag]):
    """A request under way. `name`: its custom_id. `line`: that asks it, in the file handed over."""

    tag: Tag
    request: Request
    name: str
    line: bytes


class BatchEngine:
    """An engine over an OpenAI-style batch API. `folder`: where it is written down what has been
    handed over; nothing in it is secret. `size`: requests in a batch. `timeout_s`: of one request
    to the API, not of a batch. `polls`: waits between two looks at a batch. `say`: is told what
    becomes of the batches. `top_logprobs`, `price_share`: see LitellmEngine.

    Raises BenchError as LitellmEngine does, and for a provider without such an API.
    """

    price_share = 0.5
    library_usd: float | None = None  # the library takes no part in it

    def __init__(
        self,
        model: str,
        sampling: Sampling,
        *,
        folder: Path,
        say: Callable[[str], None],
        size: int = 1000,
        timeout_s: float = 120.0,
        top_logprobs: int = 20,
        backoff: Backoff = Backoff(),  # noqa: B008  (frozen)
        polls: Backoff = Backoff(base_s=5.0, cap_s=60.0),  # noqa: B008  (frozen)
    ) -> None:
        if size < 1 or not timeout_s > 0:
            raise BenchError(
                f"size is {size}, timeout {timeout_s} s; 1 or more requests in a batch and more "
                "than 0 s expected"
            )
        self._questions = Questions(model, sampling, top_logprobs)
        self._client = self._questions.client
        address(self._client)  # a provider without one is found before anything is asked
        self._folder, self._say, self._size = folder, say, size
        self._timeout_s, self._backoff, self._polls = timeout_s, backoff, polls

    def generate(self, requests: Iterable[tuple[Tag, Request]]) -> Iterator[tuple[Tag, Reply]]:
        """See TextEngine; requests are drawn a batch at a time. Raises BenchError for a refused key
        and for a batch of ours that the server does not know. A batch that is under way when this
        is closed goes on, and is collected when its requests are drawn again."""
        return self._ask(requests, self._questions.words())

    def answer_logprobs(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        """See `generate`, and LitellmEngine for what the probabilities are."""
        return self._ask(requests, self._questions.probabilities())

    def close(self) -> None:
        """Nothing is held between calls of `generate`."""

    def _ask(
        self, requests: Iterable[tuple[Tag, Request]], form: Form[Answer]
    ) -> Iterator[tuple[Tag, Answer]]:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(f"{self._folder}.lock", timeout=0).acquire()
        except Timeout:
            raise BenchError(
                f"another run asks batch APIs with the cache {self._folder}. Two would hand the "
                "same requests over twice: wait for it, or set SMALLCLAIMS_CACHE to another folder."
            ) from None
        api = BatchApi(self._client, self._timeout_s, self._backoff)
        run = BatchRun(api, Records(self._folder), self._polls, self._say)
        chunks = ((None, chunk) for chunk in self._chunks(requests, form))
        answers = in_flight(
            chunks, lambda chunk: self._answers(run, chunk, form), AT_ONCE, api.close
        )
        with lock, closing(cast(Any, answers)):
            for _, answered in answers:
                yield from answered

    def _chunks(
        self, requests: Iterable[tuple[Tag, Request]], form: Form[Answer]
    ) -> Iterator[list[_Asked[Tag]]]:
        """The requests, a batch at a time, each with a name that its content alone decides."""
        times = Counter[str]()
        chunk: list[_Asked[Tag]] = []
        size = 0
        for tag, request in requests:
            body = self._body(form, request)
            key = content_key(self._client.provider, self._client.base, body, request.seed)
            times[key] += 1
            name = f"{key}-{times[key]}"
            asked = {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": body}
            line = json.dumps(asked).encode()
            if chunk and (len(chunk) == self._size or size + len(line) > FILE_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append(_Asked(tag, request, name, line))
            size += len(line)
        if chunk:
            yield chunk

    def _body(self, form: Form[Answer], request: Request) -> dict[str, Any]:
        """The body of one call, as the library would send it."""
        library = self._client.library
        options = self._questions.options(form, request)
        try:
            sent = library.utils.get_optional_params(
                model=self._client.name, custom_llm_provider=self._client.provider, **options
            )
        except library.exceptions.UnsupportedParamsError as error:
            self._client.unsupported(error)
        more = sent.pop("extra_body", None) or {}
        sent.pop("stream", None)
        messages = self._questions.messages(request)
        return {"model": self._client.name, "messages": messages, **sent, **more}

    async def _answers(
        self, run: BatchRun, chunk: Sequence[_Asked[Tag]], form: Form[Answer]
    ) -> list[tuple[Tag, Answer]]:
        found = await run.collect({asked.name: asked.line for asked in chunk})
        answers = []
        gone: dict[str, set[str]] = {record.name: set() for record, _ in found.values()}
        for asked in chunk:
            record, results = found[asked.name]
            answer = self._answer(results, asked, form)
            if answer.failed is Status.ERROR and results.final:
                gone[record.name].add(asked.name)
            answers.append((asked.tag, answer))
        for record in {record.name: record for record, _ in found.values()}.values():
            record.forget(gone[record.name])
        return answers

    def _answer(self, results: Results, asked: _Asked[Tag], form: Form[Answer]) -> Answer:
        """What a line of results says, as if the same answer had come from a call."""
        line = results.lines.get(asked.name)
        if line is None:
            return form.make(failed=Status.ERROR, note=results.otherwise)
        response, error = getattr(line, "response", None), getattr(line, "error", None)
        status, body = getattr(response, "status_code", None), getattr(response, "body", None)
        try:
            if status == 200:
                return form.read(body, asked.request)
            error = getattr(body, "error", None) or error
            code, text = getattr(error, "code", None), str(getattr(error, "message", ""))
            what = f"the batch's answer (HTTP {status}, {code})"
            failed, note = self._client.answered(status, what, text, code)
        except NoLogprobs:
            raise self._questions.no_logprobs() from None
        except Transient as error:
            failed, note = Status.ERROR, error.note
        except BenchError as error:  # of this request; the others may have been answered
            failed, note = Status.ERROR, str(error)
        return form.make(failed=failed, note=note)
