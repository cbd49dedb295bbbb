"""A model of this machine by transformers: probabilities of answers and of whole responses, hidden
states, and text. What is computed how stands in a file each; here is who asks for it.

On a CPU one sequence is read at a time: a batch is no faster there, and this way a score is the
same to the last bit whatever was asked before it, also when a run is resumed. On a GPU sequences of
similar length are scored together, but text is written one at a time, see judges.engines.decoding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

from bench.types import BenchError, Context, Message, Status, Usage
from judges import models
from judges.engines.answer_scores import Spellings, next_token_logprobs
from judges.engines.base import AnswerScores, Reply, Request, Tag
from judges.engines.batches import Batches, Done
from judges.engines.continuing import Continued, continued
from judges.engines.decoding import NO_MEMORY, NOT_NUMBERS, TOO_LONG, reply
from judges.engines.loading import ATTENTION, DTYPES, Loaded, load
from judges.engines.pooling import Pooled, pooled
from judges.engines.prefixes import Prefixes
from judges.engines.response_scores import (
    Given,
    ResponseScore,
    Tokens,
    logprob_alone,
    logprobs_together,
)
from judges.engines.sampling import Sampling
from judges.engines.segments import Segments

TOO_LONG_BOTH = "prompt and response are longer than the model reads"
NOTHING = "the response is empty, and this model has no end of turn"

Asked = TypeVar("Asked")
Value = TypeVar("Value")


class TransformersEngine:
    """`model`: a reference as in judges.models. `dtype`: of the weights. `batch_tokens`: tokens in
    a batch, padding counted; 0: one sequence at a time; None: 0 on a CPU, many on a GPU. `commit`:
    of a hub id. `remote_code`: the user agreed to run code from the model's repository where it
    needs that. `attention`: how it is computed. `sampling`: of what is written.

    Nothing heavy is loaded before the first score. Raises BenchError for a model that is not
    there, a dtype or an attention that is none, and missing libraries.
    """

    def __init__(
        self,
        model: str,
        context: Context,
        *,
        dtype: str = "float32",
        batch_tokens: int | None = None,
        commit: str | None = None,
        remote_code: bool = False,
        attention: str = "sdpa",
        sampling: Sampling = Sampling(),  # noqa: B008  (frozen)
    ) -> None:
        if dtype not in DTYPES:
            raise BenchError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
        if attention not in ATTENTION:
            raise BenchError(f"attention {attention!r} is none of {', '.join(ATTENTION)}")
        models.need("torch", "transformers")
        self.dtype = dtype
        self._model, self._context = models.find(model, commit), context
        self._attention, self._remote_code = attention, remote_code
        self._batch_tokens, self._sampling = batch_tokens, sampling

    @property
    def revision(self) -> str:
        """See judges.models.Model.revision."""
        return self._model.revision

    @property
    def parameters(self) -> int | None:
        """Number of weights; None for a hub id."""
        return self._model.parameters

    @property
    def context(self) -> int | None:
        """Tokens that the model reads at most; None for a hub id."""
        return self._model.context

    @property
    def settings(self) -> Mapping[str, str]:
        """What changes scores beside the model and what is asked of it."""
        return {"dtype": self.dtype, "attention": self._attention}

    def answer_logprobs(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        """See AnswerEngine. A note beside scores says that memory ran out in a batch.

        Raises BenchError for an answer that is no single token, a model without chat template.
        """
        for window in self._windows(requests):
            ready: list[tuple[Tag, Request, list[int]]] = []
            for tag, request in window:
                ids = self._loaded.chat.conversation(request.conversation)
                if len(ids) > self._loaded.limit:
                    usage = Usage(prompt_tokens=len(ids), completion_tokens=0)
                    yield tag, AnswerScores((), Status.TRUNCATED, TOO_LONG, usage)
                else:
                    ready.append((tag, request, ids))
            for done in self._run([ids for _, _, ids in ready], len, self._next_tokens):
                tag, request, ids = ready[done.index]
                yield tag, self._answer_scores(request, len(ids), done)

    def response_logprobs(
        self, requests: Iterable[tuple[Tag, Given]]
    ) -> Iterator[tuple[Tag, ResponseScore]]:
        """One score per response, as they are computed, each with its tag; drawn and failing as in
        `answer_logprobs`.

        Raises BenchError for a model without chat template.
        """
        for window in self._windows(requests):
            ready: list[tuple[Tag, Tokens]] = []
            for tag, given in window:
                tokens = self._tokens(given.conversation, given.text)
                usage = Usage(prompt_tokens=tokens.total, completion_tokens=0)
                if tokens.total > self._loaded.limit:
                    yield tag, ResponseScore(0.0, (), Status.TRUNCATED, TOO_LONG_BOTH, usage)
                elif not tokens.answer:
                    yield tag, ResponseScore(0.0, (), Status.UNPARSED, NOTHING, usage)
                else:
                    ready.append((tag, tokens))
            for done in self._run([t for _, t in ready], lambda t: len(t.read), self._logprobs):
                tag, tokens = ready[done.index]
                yield tag, _response_score(tokens, done)

    def generate(self, requests: Iterable[tuple[Tag, Request]]) -> Iterator[tuple[Tag, Reply]]:
        """See TextEngine."""
        for tag, request in requests:
            yield tag, reply(self._loaded, self._segments, request, self._sampling)

    def continued(
        self, requests: Iterable[tuple[Tag, Given]], cue: str, max_tokens: int
    ) -> Iterator[tuple[Tag, Continued]]:
        """Each response read on through `cue` and up to `max_tokens` that the model writes, with
        its tag; see judges.engines.continuing."""
        for tag, given in requests:
            yield tag, continued(self._loaded, self._segments, given, cue, max_tokens)

    def pooled(self, prompt: Sequence[Message], text: str, layers: int | None = None) -> Pooled:
        """Mean hidden states of the response `text` to `prompt`.

        `layers`: the number of blocks that are wanted, all for None. Fewer are faster, and their
        states are the same bits. Raises NoMemoryError.
        """
        return pooled(self._loaded, self._segments, self._tokens(prompt, text), layers)

    def close(self) -> None:
        """Free the model; it is loaded again when it is needed again."""
        for made_of_it in ("_prefixes", "_segments", "_spellings", "_batches"):
            self.__dict__.pop(made_of_it, None)
        if self.__dict__.pop("_loaded", None) is not None:
            import torch

            torch.cuda.empty_cache()  # does nothing where there is no GPU

    @cached_property
    def _loaded(self) -> Loaded:
        return load(
            self._model,
            self._context,
            dtype=self.dtype,
            attention=self._attention,
            remote_code=self._remote_code,
            batch_tokens=self._batch_tokens,
        )

    @cached_property
    def _prefixes(self) -> Prefixes:
        return Prefixes(self._loaded)

    @cached_property
    def _segments(self) -> Segments:
        return Segments(self._loaded)

    @cached_property
    def _spellings(self) -> Spellings:
        return Spellings(self._loaded.chat, self._model.reference)

    @cached_property
    def _batches(self) -> Batches:
        return Batches(self._loaded.batch_tokens, self._context.say)

    def _windows(self, requests: Iterable[Asked]) -> Iterator[list[Asked]]:
        source = iter(requests)
        while window := list(islice(source, self._batches.window)):
            yield window

    def _run(
        self,
        sequences: Sequence[Asked],
        length: Callable[[Asked], int],
        compute: Callable[[list[Asked]], Sequence[Value]],
    ) -> Iterator[Done[Value]]:
        return self._batches.run(
            [length(s) for s in sequences], lambda batch: compute([sequences[i] for i in batch])
        )

    def _tokens(self, prompt: Sequence[Message], text: str) -> Tokens:
        chat = self._loaded.chat
        answer = chat.text(text) + ([] if chat.end is None else [chat.end])
        return Tokens(chat.conversation(prompt), answer)

    def _next_tokens(self, batch: list[list[int]]) -> Any:
        if self._loaded.batch_tokens:
            return next_token_logprobs(self._loaded, batch)
        return [self._prefixes.next_token_logprobs(ids) for ids in batch]

    def _logprobs(self, batch: list[Tokens]) -> list[float]:
        if self._loaded.batch_tokens:
            return logprobs_together(self._loaded, batch)
        return [logprob_alone(self._segments, self._loaded, tokens) for tokens in batch]

    def _answer_scores(self, request: Request, tokens: int, done: Done[Any]) -> AnswerScores:
        usage = Usage(prompt_tokens=tokens, completion_tokens=0, latency_s=done.seconds)
        if done.value is None:
            return AnswerScores((), Status.ERROR, NO_MEMORY, usage)
        if done.value.isnan().any():
            return AnswerScores((), Status.UNPARSED, NOT_NUMBERS, usage)
        scores = [self._spellings.logprob(done.value, answer) for answer in request.answers]
        return AnswerScores(tuple(scores), None, done.note, usage)


def _response_score(tokens: Tokens, done: Done[float]) -> ResponseScore:
    usage = Usage(prompt_tokens=tokens.total, completion_tokens=0, latency_s=done.seconds)
    if done.value is None:
        return ResponseScore(0.0, (), Status.ERROR, NO_MEMORY, usage)
    if not math.isfinite(done.value):
        return ResponseScore(0.0, (), Status.UNPARSED, NOT_NUMBERS, usage)
    return ResponseScore(done.value, tuple(tokens.answer), None, done.note, usage)
