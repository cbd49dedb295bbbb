"""A judge with known faults, to test the instrument: the tables must recover what was planted."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields

from bench.kinds import kind
from bench.spec import Spec
from bench.types import (
    BenchError,
    Context,
    Judge,
    JudgeCard,
    Status,
    Trial,
    Verdict,
    failure,
    verdict,
)


@dataclass(frozen=True)
class Planted:
    """Probabilities, each in [0, 1], tried in this order at every showing. `fail`: no verdict.
    `tie`: a tie between all. `first`: the response shown first. `long`: the longest response.
    `acc`: else a right response, and a wrong one otherwise."""

    acc: float = 0.8
    first: float = 0.0
    long: float = 0.0
    tie: float = 0.0
    fail: float = 0.0

    def __post_init__(self) -> None:
        for f in fields(self):
            if not 0 <= getattr(self, f.name) <= 1:
                raise BenchError(
                    f"planted: {f.name} is {getattr(self, f.name)}; a probability expected"
                )


class PlantedJudge(Judge):
    """Sees the labels (of the first annotator) and errs as told."""

    def __init__(self, name: str, planted: Planted, seed: int) -> None:
        self._planted = planted
        self.card = JudgeCard(
            name,
            "planted",
            ("pairwise", "listwise"),
            "errs as told, to test the tables; not a judge of anything",
            sees=("text", "labels"),
            settings={**asdict(planted), "seed": seed},
        )

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        for trial in trials:
            yield self._one(trial, random.Random(trial.seed))

    def _one(self, trial: Trial, draw: random.Random) -> Verdict:
        planted, slots = self._planted, range(len(trial.order))
        if draw.random() < planted.fail:
            return failure(trial, Status.UNPARSED, raw="(planted failure)")
        if draw.random() < planted.tie:
            return verdict(trial, [0.0 for _ in slots])
        if draw.random() < planted.first:
            pick = 0
        elif draw.random() < planted.long:
            pick = max(slots, key=lambda slot: len(trial.shown[slot].text))
        else:
            pick = self._by_label(trial, draw)
        return verdict(trial, [float(slot == pick) for slot in slots])

    def _by_label(self, trial: Trial, draw: random.Random) -> int:
        if not trial.item.labels:
            raise BenchError("a planted judge reads the label, and an item of the task has none")
        utilities = trial.item.labels[0].utilities
        best = max(utilities)
        right = [s for s, i in enumerate(trial.order) if utilities[i] == best]
        wrong = [s for s, i in enumerate(trial.order) if utilities[i] != best]
        return draw.choice(right if draw.random() < self._planted.acc or not wrong else wrong)


@kind(trained=False, order_free=False, cost="nothing", options={"planted": Planted})
def make(spec: Spec, context: Context) -> Judge:
    """Draws with known biases: planted:acc=.8,first=.1,long=.05,tie=.02,fail=.01."""
    if spec.argument:
        raise BenchError(f"{spec.text!r}: options expected, for example planted:acc=.8,first=.1")
    return PlantedJudge(spec.label, spec.settings(Planted), context.seed)
