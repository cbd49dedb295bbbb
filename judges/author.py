"""The author null judge: who wrote the response, and how often do its responses win?

It reads no text. A trained judge that does no better has perhaps learnt to recognise writers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from bench.kinds import kind
from bench.spec import Spec
from bench.types import (
    BenchError,
    Context,
    Item,
    Judge,
    JudgeCard,
    Trial,
    Verdict,
    content_key,
    verdict,
)

FOLDS = 5
Rates = Mapping[str, float]


class AuthorJudge(Judge):
    """Utility = win rate of the response's writer on the task's training prompts of other folds.

    The rates for an item come from the folds of the training split that do not hold its prompt,
    so nothing is scored by itself and no item has to leave the run. An unknown writer gets 1/2.
    """

    def __init__(self, name: str, training: Iterable[Item]) -> None:
        won: dict[tuple[int, str], list[float]] = defaultdict(list)
        for item in training:
            for writer, win in _wins(item):
                won[_fold(item.prompt_key), _of(item, writer)].append(win)
        self._rates = [_rates(won, left_out) for left_out in range(FOLDS)]
        self.card = JudgeCard(
            name,
            "null",
            ("pointwise",),
            "win rate of the response's writer on other training prompts; reads no text",
            order_free=True,
            sees=("text", "model", "task"),
            settings={"rule": "author"},
            revision=content_key(self._rates),
        )

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        for trial in trials:
            rates = self._rates[_fold(trial.item.prompt_key)]
            writers = [_of(trial.item, r.model or "") for r in trial.shown]
            yield verdict(trial, [rates.get(writer, 0.5) for writer in writers])


def _of(item: Item, writer: str) -> str:
    """A writer in a task: how often it wins there says nothing of other tasks."""
    return f"{item.task}\n{writer}"


def _fold(prompt_key: str) -> int:
    # Other digits than Item.split uses, so that folds are balanced within the training split.
    return int(prompt_key[8:16], 16) % FOLDS


def _wins(item: Item) -> Iterator[tuple[str, float]]:
    """(writer, 1 | 1/2 | 0) for every comparison with another response by every annotator."""
    for label in item.labels:
        for i, mine in enumerate(label.utilities):
            writer = item.responses[i].model
            for j, other in enumerate(label.utilities):
                if writer is not None and i != j:
                    yield writer, (mine > other) + 0.5 * (mine == other)


def _rates(won: Mapping[tuple[int, str], list[float]], left_out: int) -> dict[str, float]:
    pooled: dict[str, list[float]] = defaultdict(list)
    for (fold, writer), wins in sorted(won.items()):
        if fold != left_out:
            pooled[writer].extend(wins)
    return {writer: sum(wins) / len(wins) for writer, wins in pooled.items()}


@kind(trained=False, order_free=True, cost="nothing")
def make(spec: Spec, context: Context) -> Judge:
    """How often the response's writer wins on other training prompts; reads no text."""
    if spec.argument or spec.options:
        raise BenchError(f"judge {spec.name!r} takes no argument and no options, got {spec.text!r}")
    return AuthorJudge(spec.label, (i for task in context.tasks for i in task.items("train")))
