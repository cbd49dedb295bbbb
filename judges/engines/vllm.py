"""A model of this machine by vLLM: probabilities of answers, and text, for many requests at once.

Scores are those of the model's own distribution: nothing constrains the token that is scored, so
that the answers' share of all the probability is known. The opening that prompts share is read
once (prefix caching).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from bench.types import BenchError, Context, Status, Usage
from judges import models
from judges.engines.answer_scores import Spellings
from judges.engines.base import AnswerScores, Reply, Request, Tag
from judges.engines.decoding import NOT_NUMBERS, TOO_LONG
from judges.engines.sampling import Sampling
from judges.engines.vllm_loading import Started, VllmModel, died

Ready = tuple[Tag, Request, list[int]]


class VllmEngine:
    """`model`: a reference as in judges.models. `dtype`, `tensor_parallel`, `limit`, `remote_code`:
    see VllmModel. `commit`: of a hub id. `constrained`: what is written is one of the request's
    answers, whatever the model would have said. `sampling`: of what is written.

    Nothing heavy is loaded before the first request. Raises BenchError for a model that is not
    there, values that are none, and when vLLM is not installed.
    """

    def __init__(
        self,
        model: str,
        context: Context,
        *,
        dtype: str = "float32",
        commit: str | None = None,
        tensor_parallel: int = 1,
        limit: int | None = None,
        remote_code: bool = False,
        constrained: bool = False,
        sampling: Sampling = Sampling(),  # noqa: B008  (frozen)
    ) -> None:
        source = models.find(model, commit)
        self._model = VllmModel(source, context, dtype, tensor_parallel, limit, remote_code)
        self._constrained, self._sampling = constrained, sampling

    @property
    def revision(self) -> str:
        """See judges.models.Model.revision."""
        return self._model.source.revision

    @property
    def parameters(self) -> int | None:
        """Number of weights; None for a hub id."""
        return self._model.source.parameters

    @property
    def context(self) -> int | None:
        """Tokens that are read at most; None where neither `limit` nor a folder says."""
        return self._model.limit or self._model.source.context

    @property
    def settings(self) -> Mapping[str, Any]:
        """What changes answers beside the model and what is asked of it."""
        return {**self._model.settings, **({"constrained": True} if self._constrained else {})}

    def answer_logprobs(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        """See AnswerEngine.

        Raises BenchError for an answer that is no single token, a model without chat template, a
        vLLM that does not start or ends, and where only what is written is constrained.
        """
        if self._constrained:
            raise BenchError(
                f"model {self._model.source.reference!r}: constrained is of what is written, and "
                "here probabilities are read; take read=text with it, or leave it out"
            )
        for window in self._windows(requests):
            fitting, long = self._tokenised(window)
            for tag, _, ids in long:
                yield tag, AnswerScores((), Status.TRUNCATED, TOO_LONG, _usage(ids))
            asked = [self._one_token(request) for _, request, _ in fitting]
            outputs, seconds = self._outputs(fitting, asked)
            for (tag, request, ids), output in zip(fitting, outputs, strict=True):
                yield tag, self._scores(request, output, _usage(ids, output, seconds))

    def generate(self, requests: Iterable[tuple[Tag, Request]]) -> Iterator[tuple[Tag, Reply]]:
        """See TextEngine.

        Raises BenchError for a request without answers where these constrain what is written, and
        as `answer_logprobs`.
        """
        for window in self._windows(requests):
            fitting, long = self._tokenised(window)
            for tag, _, ids in long:
                yield tag, Reply("", True, Status.TRUNCATED, TOO_LONG, _usage(ids))
            asked = [self._writing(request, len(ids)) for _, request, ids in fitting]
            outputs, seconds = self._outputs(fitting, asked)
            for (tag, _, ids), output in zip(fitting, outputs, strict=True):
                yield tag, self._reply(output, ids, seconds)

    def close(self) -> None:
        """End vLLM's processes; they are started again when the model is needed again."""
        self.__dict__.pop("_spellings", None)
        started: Started | None = self.__dict__.pop("_started", None)
        if started is not None:
            started.end()

    @cached_property
    def _started(self) -> Started:
        return self._model.start("generate")

    @cached_property
    def _spellings(self) -> Spellings:
        return Spellings(self._started.chat, self._model.source.reference)

    def _windows(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[list[tuple[Tag, Request]]]:
        source = iter(requests)
        while window := list(islice(source, self._started.window)):
            yield window

    def _tokenised(
        self, window: Sequence[tuple[Tag, Request]]
    ) -> tuple[list[Ready[Tag]], list[Ready[Tag]]]:
        """The requests with their tokens: those with room for one more token, and the others."""
        chat, limit = self._started.chat, self._started.limit
        ready = [(tag, request, chat.conversation(request.conversation)) for tag, request in window]
        return [r for r in ready if len(r[2]) < limit], [r for r in ready if len(r[2]) >= limit]

    def _outputs(
        self, ready: Sequence[Ready[Tag]], asked: Sequence[Any]
    ) -> tuple[Sequence[Any], float]:
        """vLLM's output for each, and each one's share of the seconds that all took."""
        from vllm.v1.engine.exceptions import EngineDeadError

        if not ready:
            return [], 0.0
        start = time.perf_counter()
        prompts = [{"prompt_token_ids": ids} for _, _, ids in ready]
        try:
            outputs = self._started.llm.generate(prompts, list(asked), use_tqdm=False)
        except EngineDeadError as error:
            raise died(error) from error
        return outputs, (time.perf_counter() - start) / len(ready)

    def _one_token(self, request: Request) -> Any:
        from vllm import SamplingParams

        tokens = {t for answer in request.answers for t in self._spellings.tokens(answer)}
        return SamplingParams(
            temperature=0, max_tokens=1, logprob_token_ids=sorted(tokens), detokenize=False
        )

    def _scores(self, request: Request, output: Any, usage: Usage) -> AnswerScores:
        (found,) = output.outputs[0].logprobs
        logprobs = [
            _log_of_sum([found[token].logprob for token in self._spellings.tokens(answer)])
            for answer in request.answers
        ]
        if output.metrics.is_corrupted or any(map(math.isnan, logprobs)):
            return AnswerScores((), Status.UNPARSED, NOT_NUMBERS, usage)
        return AnswerScores(tuple(logprobs), usage=usage)

    def _writing(self, request: Request, length: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        choice = None
        if self._constrained:
            if not request.answers:
                raise BenchError(
                    f"model {self._model.source.reference!r}: constrained, and the prompt does not "
                    "say what may be answered; take a prompt that does, for example choice-letter"
                )
            choice = StructuredOutputsParams(choice=list(request.answers))
        drawn = self._sampling.temperature > 0
        return SamplingParams(
            temperature=self._sampling.temperature,
            max_tokens=min(self._sampling.max_tokens, self._started.limit - length),
            seed=request.seed if drawn else None,
            structured_outputs=choice,
            detokenize=False,
        )

    def _reply(self, output: Any, ids: Sequence[int], seconds: float) -> Reply:
        written = output.outputs[0]
        tokens = list(written.token_ids)
        usage = _usage(ids, output, seconds, len(tokens))
        if output.metrics.is_corrupted:
            return Reply("", False, Status.UNPARSED, NOT_NUMBERS, usage)
        if written.finish_reason == "stop":
            tokens.pop()  # the end of turn
        text = self._started.chat.spelt(tokens)
        return Reply(text, written.finish_reason == "length", None, "", usage)


def _usage(
    ids: Sequence[int], output: Any = None, seconds: float | None = None, written: int = 0
) -> Usage:
    cached = None if output is None else output.num_cached_tokens
    return Usage(len(ids), cached, written, None, seconds)


def _log_of_sum(logprobs: Sequence[float]) -> float:
    """log(sum(exp(x))) of at least one x, NaN where one is."""
    top = max(logprobs)
    if not math.isfinite(top):
        return math.fsum(logprobs)  # -inf, or NaN where one is
    return top + math.log(math.fsum(math.exp(value - top) for value in logprobs))
