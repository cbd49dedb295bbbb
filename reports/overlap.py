"""Trained judges on items that they may have seen: the score with and without them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from bench.overlap import TrainingOverlap
from bench.types import JudgeCard
from reports.groups import Made, cells
from reports.numbers import Row, interval
from reports.readings import Bools
from reports.scores import score
from reports.study import Study

COLUMNS = (
    "task",
    "scope",
    "group",
    "judge",
    "training_sets",
    "not_compared",
    "n_items",
    "n_same_prompt",
    "n_same_words",
)
METRICS = ("mean_with", "mean_without")


def overlap_table(study: Study) -> pd.DataFrame:
    """One row per group but subsets, and judge whose card says what it was trained on.

    `not_compared`: those of its `training_sets` that could not be had, so that nobody knows.
    `n_same_prompt`: items with a prompt of the others; `n_same_words`: further items with thirteen
    words of it in a row (`bench.overlap`). `mean_with`: score of all items, `mean_without` of those
    that share neither; a domain of which nothing is left is not in its overall mean."""
    rows = []
    for card in study.cards:
        sets = [o for o in study.overlaps if o.judge == card.name]
        if not sets:
            continue
        by_prompt, by_words = (_shared(study, sets, how) for how in ("prompt", "gram"))
        by_words &= ~by_prompt
        seen = by_prompt | by_words
        asked = study.readings[card.name].asked()
        for group in study.groups:
            here = asked & group.items
            if group.scope == "subset" or not here.any():
                continue
            of = partial(_scores, study, card, seen)
            made = study.estimates.block(group, card.name, "overlap", of)
            values = (
                *group.key.values(),
                card.name,
                ", ".join(o.source for o in sets),
                ", ".join(o.source for o in sets if o.unknown),
                int(here.sum()),
                int((here & by_prompt).sum()),
                int((here & by_words).sum()),
            )
            estimates = cells({name: made.get(name) for name in METRICS})
            rows.append({**dict(zip(COLUMNS, values, strict=True)), **estimates})
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells(dict.fromkeys(METRICS))])


def told(row: Row) -> Iterator[str]:
    """What a row says: the items that are shared, and the sets of which nobody knows; nothing where
    no item is shared and every set was compared."""
    if row["n_same_prompt"] or row["n_same_words"]:
        yield (
            f"items that share their prompt with what it was trained on ({row['training_sets']}): "
            f"{row['n_same_prompt']:,} of {row['n_items']:,}, and with thirteen words in a row in "
            f"common {row['n_same_words']:,} more; mean with them {interval(row, 'mean_with')}, "
            f"without {interval(row, 'mean_without')}"
        )
    if row["not_compared"]:
        yield (
            f"trained on {row['not_compared']}, which could not be had: whether it has seen these "
            "items is not known"
        )


def _shared(study: Study, sets: list[TrainingOverlap], how: str) -> Bools:
    """(items,) which share their prompt, or some words of it, with one of the training sets."""
    shared = np.zeros(len(study.table.items), bool)
    shared[[i for o in sets for i, found in o.shared.items() if found == how]] = True
    return shared


def _scores(study: Study, card: JudgeCard, seen: Bools, chosen: Bools) -> Made:
    scores, everyone = study.scores[card.name], list(study.scores.values())
    reading = study.readings[card.name]
    return {
        "mean_with": score(scores, reading, everyone, chosen),
        "mean_without": score(scores, reading, everyone, chosen & ~seen),
    }
