"""The judge ``likelihood``: how probable a model finds each response, given its prompt.

The utility of a response is the mean, or the sum, of the log-probabilities of its tokens (GPTScore,
arXiv 2302.04166, as a judge of candidates in arXiv 2305.14239).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.kinds import kind
from bench.spec import Spec
from bench.types import (
    BenchError,
    Context,
    Judge,
    JudgeCard,
    Trial,
    Verdict,
    failure,
    verdict,
)
from judges.described import Described
from judges.engines.response_scores import Given, ResponseScore
from judges.engines.transformers import TransformersEngine

READ_AS = "text and end of turn, prompt in chat form; 1"  # read another way, another word


@dataclass(frozen=True)
class Scoring(Described):
    """`normalise`: "mean" over the tokens of a response, or their "sum". `revision`: commit of a
    hub id. `dtype`: of the weights."""

    normalise: str = "mean"
    revision: str | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.normalise not in ("mean", "sum"):
            raise BenchError(f"normalise is {self.normalise!r}; mean or sum expected")

    def length(self, score: ResponseScore) -> int:
        """What a sum over the response's tokens is divided by."""
        return len(score.tokens) if self.normalise == "mean" else 1


class LikelihoodJudge(Judge):
    """Each response is read once, whatever pairs it is in."""

    def __init__(self, card: JudgeCard, settings: Scoring, engine: TransformersEngine) -> None:
        self.card, self._settings, self._engine = card, settings, engine

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, as they come; see Judge."""
        for trial, score in self._engine.response_logprobs(given(trials)):
            if score.failed is not None:
                yield failure(trial, score.failed, usage=score.usage, note=score.note)
            else:
                utility = score.logprob / self._settings.length(score)
                yield verdict(trial, [utility], raw=evidence(score), usage=score.usage)

    def close(self) -> None:
        """Free the model."""
        self._engine.close()


def given(trials: Iterable[Trial]) -> Iterator[tuple[Trial, Given]]:
    """Pointwise trials as an engine takes them, drawn as it draws them."""
    return ((trial, Given(trial.item.prompt, trial.shown[0].text)) for trial in trials)


def evidence(score: ResponseScore) -> str:
    """A score as JSON: the sum in nats, the number of tokens, and what the engine noted."""
    found = {"logprob": float(f"{score.logprob:.8g}"), "tokens": len(score.tokens)}
    return json.dumps(found | ({"note": score.note} if score.note else {}))


@kind(
    trained=False,
    order_free=True,
    cost="this machine",
    extras=("local",),
    options={"likelihood:MODEL": Scoring},
)
def make(spec: Spec, context: Context) -> Judge:
    """Mean log-probability of a response: likelihood:MODEL, a folder or a hub id.

    Raises BenchError for a model that is not there or a bad option.
    """
    settings = spec.settings(Scoring)
    if not spec.argument:
        raise BenchError(f"{spec.text!r} names no model; one expected: likelihood:FOLDER")
    engine = TransformersEngine(
        spec.argument, context, dtype=settings.dtype, commit=settings.revision
    )
    card = JudgeCard(
        name=spec.label or spec.text,
        kind="likelihood",
        protocols=("pointwise",),
        description=f"{settings.normalise} log-probability of the response under {spec.argument}",
        order_free=True,
        model=spec.argument,
        revision=engine.revision,
        settings={"normalise": settings.normalise, "read_as": READ_AS, **engine.settings},
        parameters=engine.parameters,
        context=engine.context,
    )
    return LikelihoodJudge(settings.on(card), settings, engine)
