"""MT-Bench's own agreement with people: setups S1 and S2 of Zheng et al. 2023, experts and authors
apart, turn by turn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from bench.stats import Estimate, cluster_wilson
from bench.types import JudgeCard
from reports.official.parts import Score
from reports.readings import Block, Bools, Floats, Ints, Readings

TURNS = (1, 2)
ANNOTATORS = ("expert", "author")
"""Beginnings of the annotators' names."""

FIRST, SECOND, TIE = 1, 2, 3  # top sets of a pair
FAILED, UNANSWERED = 0, -1


def scores(card: JudgeCard, reading: Readings, items: Ints) -> Iterator[Score]:
    """One per turn (`turn` in an item's meta), setup and kind of annotator: readings "S1 expert",
    "S2 author", ...

    The judge's verdict on a pair is that of all its orders together: a tie where they disagree. S1:
    share of votes that are the verdict, a tie being a class of its own. S2: the same where neither
    the vote nor the verdict is a tie. Every *vote* counts alike, as in the authors' script, so
    `n_items` counts votes and pairs with many weigh more; `n_missing` counts the votes on pairs
    shown to the judge that the number leaves out (ties in S2; no answer). A failed verdict agrees
    with no vote. Repeats are averaged.
    """
    table = reading.table
    turn = np.array([item.meta.get("turn", 0) for item in table.items])[table.vote_item]
    kind = np.array([name.partition("_")[0] for name in table.vote_annotator])
    asked = np.isin(table.vote_item, items)
    setups = dict(zip(("S1", "S2"), _agreement(reading), strict=True))
    for at_turn, annotators in product(TURNS, ANNOTATORS):
        votes = asked & (turn == at_turn) & (kind == annotators)
        if votes.any():
            for setup, agrees in setups.items():
                estimate = _mean(reading, agrees, votes)
                yield Score("turn", str(at_turn), f"{setup} {annotators}", estimate)


def _agreement(reading: Readings) -> tuple[Floats, Floats]:
    """(votes,) agreement of the judge with each vote in S1 and S2, NaN where a setup leaves it
    out; the mean over repeats."""
    table = reading.table
    n = len(table.vote_item)
    same, answered, right, decided = (np.zeros(n) for _ in range(4))
    for block in reading.blocks:
        verdicts = _combined(block)
        for repeat in np.unique(block.repeat):
            rows = np.flatnonzero(block.whole & (block.repeat == repeat))
            of_item = np.full(len(table.items), UNANSWERED)
            of_item[block.item[rows]] = verdicts[rows]
            verdict = of_item[table.vote_item]
            agrees, known = verdict == table.vote_top, verdict != UNANSWERED
            counted = known & (verdict != TIE) & (table.vote_top != TIE)
            same += agrees & known
            answered += known
            right += agrees & counted
            decided += counted
    return _share(same, answered), _share(right, decided)


def _combined(block: Block) -> Ints:
    """(rows,) the verdict of all orders together."""
    agreed = (block.top == block.top[:, :1]).all(axis=1)
    verdict = np.where(agreed, block.top[:, 0], TIE)
    return np.where(block.failed.any(axis=1), FAILED, verdict)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _mean(reading: Readings, agrees: Floats, votes: Bools) -> Estimate:
    counted = votes & ~np.isnan(agrees)
    clusters = reading.table.cluster[reading.table.vote_item[counted]]
    left_out = int(votes.sum() - counted.sum())
    return cluster_wilson(agrees[counted], clusters, missing=left_out)
