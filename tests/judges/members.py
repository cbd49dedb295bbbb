"""Stand-ins for the members of juries and cascades, which say what a test wants them to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.plan import trials
from bench.spec import parse_spec
from bench.types import (
    Context,
    Item,
    Judge,
    JudgeCard,
    Split,
    Status,
    Task,
    TaskCard,
    Trial,
    Usage,
    Verdict,
    failure,
    verdict,
)

Says = Callable[[Trial], Sequence[float] | Status]


class Member(Judge):
    """Says what it is told to, utilities in the order shown (at a confidence of .75) or a
    failure, and keeps the trials."""

    def __init__(self, name: str, says: Says, pointwise: bool = False, **card: Any) -> None:
        protocols = ("pointwise",) if pointwise else ("pairwise", "listwise")
        own = {"order_free": pointwise, "settings": {"name": name}, **card}
        self.card = JudgeCard(name, "made", protocols, **own)  # type: ignore[arg-type]
        self.says, self.asked, self.closed = says, list[Trial](), 0
        self.usage = Usage()

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        for trial in trials:
            self.asked.append(trial)
            said = self.says(trial)
            if isinstance(said, Status):
                note = f"{self.card.name} failed"
                yield failure(trial, said, usage=self.usage, note=note)
            else:
                yield verdict(trial, said, usage=self.usage, confidence=0.75)

    def close(self) -> None:
        self.closed += 1


class Made(Task):
    """The task `made`."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.card = TaskCard("made", "Made", ("chat",), "a program", "CC0-1.0", "1")
        self.of = items

    def items(self, split: Split | None = None) -> Iterator[Item]:
        return iter(i for i in self.of if split is None or i.split == split)


def run_of(
    members: Iterable[Judge],
    folder: Path = Path(),
    items: Sequence[Item] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Context:
    """A run on the task `made`, with these judges by their names."""
    found = {member.card.name: member for member in members}
    return Context((Made(items),), folder, say=say, make=lambda text: found[parse_spec(text).label])


def verdicts_on(judge: Judge, items: Sequence[Item]) -> dict[tuple[int, tuple[int, ...]], Verdict]:
    """By item index and order shown."""
    asked = list(trials(items, judge.card))
    found = {v.key: v for v in judge.judge([trial for _, trial in asked])}
    assert len(found) == len(asked)
    return {(index, trial.order): found[trial.key] for index, trial in asked}


def drawn(seed: int, *, fails: float = 0.0, scale: float = 1.0, ties: float = 0.0) -> Says:
    """Random, but the same whenever it is asked the same."""

    def says(trial: Trial) -> Sequence[float] | Status:
        shown = [r.text for r in trial.shown]
        draw = np.random.default_rng([seed, *"\n".join(shown).encode()])
        if draw.random() < fails:
            return Status.UNPARSED
        tie = draw.random() < ties
        return [0.0] * len(shown) if tie else list(scale * draw.normal(size=len(shown)))

    return says
