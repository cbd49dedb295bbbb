"""The judge ``implicit``: the reward that a policy implies.

After direct preference optimisation from a reference, the reward of a response is, up to a term of
the prompt alone, beta (log pi(y|x) - log pi_ref(y|x)) (DPO, arXiv 2305.18290, section 4; a judge in
SPA, arXiv 2406.04412). Without a reference it is beta log pi(y|x).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bench.kinds import kind
from bench.spec import Spec
from bench.types import (
    BenchError,
    Context,
    Judge,
    JudgeCard,
    Trial,
    Usage,
    Verdict,
    failure,
    verdict,
)
from judges.engines.response_scores import ResponseScore
from judges.engines.transformers import TransformersEngine
from judges.likelihood import READ_AS, Scoring, evidence, given

WINDOW = 32  # responses that the policy scores before the reference does


@dataclass(frozen=True)
class Implied(Scoring):
    """`reference`: the model that the policy was trained from; none: reference-free. `beta`: of the
    training. `reference_revision`: commit of a hub id."""

    normalise: str = "sum"
    reference: str | None = ""
    beta: float = 0.1
    reference_revision: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reference == "":
            raise BenchError(
                "implicit: no reference. Name the model that the policy was trained from: "
                "reference=FOLDER or reference=OWNER/NAME; or say reference=none, and the utility "
                "is beta log pi(y|x)"
            )
        if not (math.isfinite(self.beta) and self.beta > 0):
            raise BenchError(f"implicit: beta is {self.beta}; a number above 0 expected")


class ImplicitJudge(Judge):
    """A policy and its reference, or none. Each response is read once by each, whatever pairs it
    is in."""

    def __init__(
        self,
        card: JudgeCard,
        settings: Implied,
        policy: TransformersEngine,
        reference: TransformersEngine | None,
    ) -> None:
        self.card, self._settings = card, settings
        self._policy, self._reference = policy, reference

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, as they come; see Judge.

        Raises BenchError when policy and reference take a text apart differently.
        """
        source = iter(trials)
        while window := list(islice(source, WINDOW)):
            scored: list[tuple[Trial, ResponseScore]] = []
            for trial, score in self._policy.response_logprobs(given(window)):
                if score.failed is None:
                    scored.append((trial, score))
                else:
                    yield failure(trial, score.failed, usage=score.usage, note=score.note)
            yield from self._beside(scored)

    def close(self) -> None:
        """Free both models."""
        self._policy.close()
        if self._reference is not None:
            self._reference.close()

    def _beside(self, scored: Sequence[tuple[Trial, ResponseScore]]) -> Iterator[Verdict]:
        if self._reference is None:
            for trial, score in scored:
                yield self._verdict(trial, score, score.logprob, evidence(score), score.usage)
            return
        mine = {trial.key: score for trial, score in scored}
        asked = given(trial for trial, _ in scored)
        for trial, theirs in self._reference.response_logprobs(asked):
            score = mine[trial.key]
            usage = _both(score.usage, theirs.usage)
            if theirs.failed is not None:
                yield failure(trial, theirs.failed, usage=usage, note=f"reference: {theirs.note}")
                continue
            self._check_tokens(score, theirs)
            raw = f'{{"policy": {evidence(score)}, "reference": {evidence(theirs)}}}'
            yield self._verdict(trial, score, score.logprob - theirs.logprob, raw, usage)

    def _verdict(
        self, trial: Trial, score: ResponseScore, logratio: float, raw: str, usage: Usage
    ) -> Verdict:
        utility = self._settings.beta * logratio / self._settings.length(score)
        return verdict(trial, [utility], raw=raw, usage=usage)

    def _check_tokens(self, policy: ResponseScore, reference: ResponseScore) -> None:
        if policy.tokens != reference.tokens:
            raise BenchError(
                f"judge {self.card.name!r}: policy and reference take a response apart differently "
                f"({len(policy.tokens)} tokens against {len(reference.tokens)}, the ids of the "
                f"last {policy.tokens[-1]} and {reference.tokens[-1]}), so their probabilities do "
                "not compare. Expected: the model that this policy was trained from."
            )


def _both(one: Usage, other: Usage) -> Usage:
    """What two readings of a response took together."""
    return Usage(
        prompt_tokens=(one.prompt_tokens or 0) + (other.prompt_tokens or 0),
        completion_tokens=0,
        latency_s=(one.latency_s or 0.0) + (other.latency_s or 0.0),
    )


@kind(
    trained=True,
    order_free=True,
    cost="this machine",
    extras=("local",),
    options={"implicit:POLICY": Implied},
)
def make(spec: Spec, context: Context) -> Judge:
    """Implicit reward of a policy against its reference: implicit:POLICY,reference=MODEL.

    Raises BenchError for a model that is not there or a bad option.
    """
    settings = spec.settings(Implied)
    if not spec.argument:
        raise BenchError(
            f"{spec.text!r} names no policy; one expected: implicit:FOLDER,reference=MODEL"
        )

    def engine(model: str, commit: str | None) -> TransformersEngine:
        return TransformersEngine(model, context, dtype=settings.dtype, commit=commit)

    policy = engine(spec.argument, settings.revision)
    reference = None
    if settings.reference is not None:
        reference = engine(settings.reference, settings.reference_revision)
    card = _card(spec, settings, policy, reference)
    return ImplicitJudge(settings.on(card), settings, policy, reference)


def _card(
    spec: Spec,
    settings: Implied,
    policy: TransformersEngine,
    reference: TransformersEngine | None,
) -> JudgeCard:
    own: dict[str, Any] = {
        "beta": settings.beta,
        "normalise": settings.normalise,
        "reference": settings.reference,
        "reference_revision": reference.revision if reference else None,
        "read_as": READ_AS,
    }
    ratio = f"log pi(y|x) - log pi_ref(y|x), pi {spec.argument}, pi_ref {settings.reference}"
    if reference is None:
        ratio = f"log pi(y|x), pi {spec.argument}, reference-free"
    per = " per token" if settings.normalise == "mean" else ""
    counts = [policy.parameters, *([reference.parameters] if reference else [])]
    known = [count for count in counts if count is not None]
    return JudgeCard(
        name=spec.label or spec.text,
        kind="implicit",
        protocols=("pointwise",),
        description=f"{settings.beta:g} x ({ratio}){per}",
        order_free=True,
        model=spec.argument,
        revision=policy.revision,
        settings={**own, **policy.settings},
        context=policy.context,
        parameters=sum(known) if len(known) == len(counts) else None,
        trained=True,
    )
