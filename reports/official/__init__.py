"""The scores that benchmarks define for themselves, beside a strict reading of the verdicts.

One benchmark a file. A score belongs to the task of its name: a copy of the same items under
another name has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from bench.types import JudgeCard
from reports.groups import cells
from reports.official import (
    judgebench,
    mtbench,
    rewardbench1,
    rewardbench2,
    rewardbench2_pairs,
    rmbench,
)
from reports.official.parts import Score
from reports.readings import Ints, Readings
from reports.study import Study

COLUMNS = ("task", "scope", "group", "judge", "reading", "n_items", "n_prompts", "n_missing")

Scores = Callable[[JudgeCard, Readings, Ints], Iterator[Score]]
"""A judge's card, what it said, and the indices of the task's items that it was asked."""

TASKS: dict[str, Scores] = {
    "judgebench_claude": judgebench.scores,
    "judgebench_gpt": judgebench.scores,
    "mt_bench_human": mtbench.scores,
    "rewardbench1": rewardbench1.scores,
    "rewardbench2": rewardbench2.scores,
    "rewardbench2_pairs": rewardbench2_pairs.scores,
    "rmbench": rmbench.scores,
}


def official_table(study: Study) -> pd.DataFrame:
    """One row per judge, group and reading. `reading`: official, by the rule of the authors' code;
    strict, where a failure is a failure and both orders must be right; the setups S1 and S2 of
    MT-Bench; and of `rewardbench2_pairs`, which has no official score, readings whose names begin
    with pairwise.
    `score` and the groups: as the benchmark's own file here says."""
    rows: list[dict[str, object]] = []
    for task in dict.fromkeys(study.table.task):
        for card in study.cards if task in TASKS else []:
            rows += _rows(study, task, card)
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells({"score": None})])


def _rows(study: Study, task: str, card: JudgeCard) -> Iterator[dict[str, object]]:
    reading = study.readings[card.name]
    mine = np.flatnonzero(reading.asked() & (np.array(study.table.task) == task))
    if not mine.size:
        return
    for score in TASKS[task](card, reading, mine):
        e = score.estimate
        at = (task, score.scope, score.group)
        values = (*at, card.name, score.reading, e.n_items, e.n_clusters, e.n_missing)
        key = dict(zip(COLUMNS, at, strict=False))
        study.estimates.keep(key, card.name, {f"score_{score.reading}": e})
        yield {**dict(zip(COLUMNS, values, strict=True)), **cells({"score": e})}
