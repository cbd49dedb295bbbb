"""Null judges: what can be had for nothing. Every table shows them."""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Iterable, Iterator

from bench.kinds import kind
from bench.spec import Spec
from bench.types import BenchError, Context, Judge, JudgeCard, Trial, Verdict, verdict


class NullJudge(Judge):
    """A rule on what is shown: trial -> utilities in the order shown."""

    def __init__(self, card: JudgeCard, rule: Callable[[Trial], list[float]]) -> None:
        self.card = card
        self._rule = rule

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        for trial in trials:
            yield verdict(trial, self._rule(trial))


def _plain(spec: Spec) -> None:
    if spec.argument or spec.options:
        raise BenchError(f"judge {spec.name!r} takes no argument and no options, got {spec.text!r}")


@kind(trained=False, order_free=False, cost="nothing")
def random(spec: Spec, context: Context) -> Judge:
    """Any response, each time anew: chance, with the position noise of chance."""
    _plain(spec)
    card = JudgeCard(
        spec.label,
        "null",
        ("pairwise", "listwise"),
        "draws a response at every showing",
        settings={"rule": "random", "seed": context.seed},
    )

    def rule(trial: Trial) -> list[float]:
        pick = _random.Random(trial.seed).randrange(len(trial.order))
        return [float(slot == pick) for slot in range(len(trial.order))]

    return NullJudge(card, rule)


@kind(trained=False, order_free=False, cost="nothing")
def first(spec: Spec, context: Context) -> Judge:
    """Whatever stands first: pure position bias."""
    _plain(spec)
    card = JudgeCard(
        spec.label,
        "null",
        ("pairwise", "listwise"),
        "picks what is shown first",
        settings={"rule": "first"},
    )
    return NullJudge(card, lambda trial: [float(slot == 0) for slot in range(len(trial.order))])


@kind(trained=False, order_free=True, cost="nothing")
def longest(spec: Spec, context: Context) -> Judge:
    """The response with the most characters."""
    return _by_length(spec, 1.0, "picks the response with the most characters")


@kind(trained=False, order_free=True, cost="nothing")
def shortest(spec: Spec, context: Context) -> Judge:
    """The response with the fewest characters."""
    return _by_length(spec, -1.0, "picks the response with the fewest characters")


def _by_length(spec: Spec, sign: float, description: str) -> Judge:
    _plain(spec)
    card = JudgeCard(
        spec.label,
        "null",
        ("pointwise",),
        description,
        order_free=True,
        settings={"rule": spec.name},
    )
    return NullJudge(card, lambda trial: [sign * len(response.text) for response in trial.shown])
