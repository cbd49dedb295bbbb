"""The judge ``reward`` with vLLM to compute its scores: many at once, and what responses to one
prompt share is read once. What the model reads, and what a score means, is as in judges.reward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

from bench.spec import Spec
from bench.types import BenchError, Context, Status, Trial, Verdict, failure, verdict
from judges.engines.base import Tag
from judges.engines.decoding import NOT_NUMBERS
from judges.engines.vllm_scorer import SequenceScores, VllmScorer
from judges.engines.vllm_server import VllmServer
from judges.models import Model, may_run_code
from judges.reward import TOO_LONG, Options, RewardJudge
from judges.reward_input import Reader, Sequenced

NO_PADDING = -1  # no token: nothing is padded


class Scorer(Protocol):
    """vLLM, in this process or as a server. `pairs`: whether it reads pairs of texts."""

    pairs: bool

    @property
    def tokenizer(self) -> Any: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    def scores(
        self, sequences: Iterable[tuple[Tag, Sequenced]]
    ) -> Iterator[tuple[Tag, SequenceScores]]: ...
    def close(self) -> None: ...


class VllmRewardJudge(RewardJudge):
    """The reward model `source`. `scorer`: None for the one that the options ask for.

    Raises BenchError as RewardJudge and the scorer do.
    """

    def __init__(
        self,
        spec: Spec,
        options: Options,
        source: Model,
        context: Context,
        scorer: Scorer | None = None,
    ) -> None:
        try:
            super().__init__(spec, options, source, context)
        except BenchError as error:
            if options.api_base is None:
                raise
            raise BenchError(
                f"{error} A model behind a server, too, is named by its folder or hub id: its "
                "tokens are made here. What the server calls it: served=NAME."
            ) from error
        self._scorer = scorer or scorer_of(options, source, context)
        settings = {**self.card.settings, "engine": "vllm", **self._scorer.settings}
        self.card = replace(self.card, settings=settings)
        if options.api_base is not None:
            self.card = replace(self.card, usd_per_hour=None)  # of a card's, for this machine

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, as they come; see Judge."""
        for trial, scores in self._scorer.scores((trial, self._read(trial)) for trial in trials):
            yield self._verdict(trial, scores)

    def close(self) -> None:
        """End vLLM's processes; they are started again when the model is needed again."""
        self.__dict__.pop("_reader", None)
        self._scorer.close()

    @cached_property
    def _reader(self) -> Reader:
        tokenizer, name = self._scorer.tokenizer, self._source.reference
        if not (tokenizer.chat_template or self._scorer.pairs):
            raise BenchError(
                f"model {name!r} has no chat template; by vLLM in this process only models with "
                "one are read. Leave engine=vllm out, or ask a server: api_base=http://HOST:PORT"
            )
        return Reader(tokenizer, NO_PADDING, name)

    def _read(self, trial: Trial) -> Sequenced:
        return self._reader.read(trial.item.prompt, trial.shown[0].text)

    def _verdict(self, trial: Trial, scores: SequenceScores) -> Verdict:
        if scores.failed is not None:
            note = TOO_LONG if scores.failed is Status.TRUNCATED else scores.note
            return failure(trial, scores.failed, usage=scores.usage, note=note)
        if len(scores.logits) != 1:
            raise BenchError(
                f"model {self._source.reference!r}: vLLM gives {len(scores.logits)} numbers for a "
                "response; a reward model gives one. Is it this model that the server has?"
            )
        (score,) = scores.logits
        if not math.isfinite(score):
            return failure(trial, Status.UNPARSED, usage=scores.usage, note=NOT_NUMBERS)
        return verdict(trial, [score], raw=f"{score:.6g}", usage=scores.usage)


def scorer_of(options: Options, source: Model, context: Context) -> Scorer:
    """A server where an address is given, else vLLM in this process."""
    if options.api_base is not None:
        return VllmServer(
            source,
            context,
            options.api_base,
            options.served or source.reference,
            limit=options.max_length,
            concurrency=options.concurrency,
            timeout_s=options.timeout,
        )
    return VllmScorer(
        source.reference,
        context,
        dtype=options.dtype,
        commit=options.revision,
        tensor_parallel=options.tensor_parallel,
        limit=options.max_length,
        remote_code=may_run_code(options.remote_code, context.remote_code, source.reference),
    )
