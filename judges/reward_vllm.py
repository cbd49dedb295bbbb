"""The judge ``reward`` with vLLM to compute its scores: many at once, and what responses to one
prompt share is read once. What the model reads, and what a score means, is as in judges.reward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

from bench.spec import Spec
from bench.types import BenchError, Context, Status, Trial, Verdict, failure, verdict
from judges.engines.decoding import NOT_NUMBERS
from judges.engines.vllm_scorer import SequenceScores, VllmScorer
from judges.models import Model, may_run_code
from judges.reward import TOO_LONG, Options, RewardJudge
from judges.reward_input import Reader

NO_PADDING = -1  # no token: nothing is padded


class VllmRewardJudge(RewardJudge):
    """The reward model `source`, whose chat template says what it reads.

    Raises BenchError as RewardJudge and VllmScorer do.
    """

    def __init__(self, spec: Spec, options: Options, source: Model, context: Context) -> None:
        super().__init__(spec, options, source, context)
        self._scorer = VllmScorer(
            source.reference,
            context,
            dtype=options.dtype,
            commit=options.revision,
            tensor_parallel=options.tensor_parallel,
            limit=options.max_length,
            remote_code=may_run_code(options.remote_code, context.remote_code, source.reference),
        )
        own = {"engine": "vllm", **self._scorer.settings}
        self.card = replace(self.card, settings={**self.card.settings, **own})

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, as they come; see Judge."""
        for trial, scores in self._scorer.scores((trial, self._ids(trial)) for trial in trials):
            yield _verdict(trial, scores)

    def close(self) -> None:
        """End vLLM's processes; they are started again when the model is needed again."""
        self.__dict__.pop("_reader", None)
        self._scorer.close()

    @cached_property
    def _reader(self) -> Reader:
        tokenizer, name = self._scorer.tokenizer, self._source.reference
        if not tokenizer.chat_template:
            raise BenchError(
                f"model {name!r} has no chat template; by vLLM only models with one are read. "
                "Leave engine=vllm out."
            )
        return Reader(tokenizer, NO_PADDING, name)

    def _ids(self, trial: Trial) -> list[int]:
        return self._reader.read(trial.item.prompt, trial.shown[0].text).ids


def _verdict(trial: Trial, scores: SequenceScores) -> Verdict:
    if scores.failed is not None:
        note = TOO_LONG if scores.failed is Status.TRUNCATED else scores.note
        return failure(trial, scores.failed, usage=scores.usage, note=note)
    (score,) = scores.logits
    if not math.isfinite(score):
        return failure(trial, Status.UNPARSED, usage=scores.usage, note=NOT_NUMBERS)
    return verdict(trial, [score], raw=f"{score:.6g}", usage=scores.usage)
