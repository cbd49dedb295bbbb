"""RewardBench 2 as pairs: not its official score, which takes lists (chance 1/4), and never to be
compared with it.

Of each row of the five best-of-four subsets three pairs are judged, the right response against each
wrong one. pairwise_all_wins: share of rows whose right response beats all three (random judges:
1/8); pairwise_mean: mean over the three of the credit that it gets (random judges: 1/2). Credits
are averaged over the orders shown, a win is above 1/2, a failed verdict counts 0. Formula:
`bench.stats.rewardbench2.pairwise_credits`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from bench.stats import Estimate, cluster_wilson, macro
from bench.stats.rewardbench2 import SUBSETS, pairwise_credits
from bench.types import JudgeCard
from reports.official.parts import Score, by_subset
from reports.readings import Floats, Ints, Readings

PAIRS = 3  # of a row
FIVE = tuple(name for name in SUBSETS if name != "Ties")


def scores(card: JudgeCard, reading: Readings, items: Ints) -> Iterator[Score]:
    """Each subset, and the unweighted mean of the five where all are there."""
    credit = reading.scores("mean", "wrong")
    parts = {
        subset: _subset(reading, credit, indices)
        for subset, indices in by_subset(reading, items).items()
    }
    for name in ("pairwise_all_wins", "pairwise_mean"):
        estimates = {subset: made[name] for subset, made in parts.items()}
        for subset, e in estimates.items():
            yield Score("subset", subset, name, e)
        if estimates.keys() == set(FIVE):
            five = macro([estimates[subset] for subset in FIVE], FIVE)
            yield Score("overall", "five subsets without Ties", name, five)


def _subset(reading: Readings, credit: Floats, items: Ints) -> dict[str, Estimate]:
    """Rows that lack a pair, or an answer to one, are missing."""
    rows: dict[str, list[int]] = defaultdict(list)
    for i in items.tolist():
        rows[reading.table.items[i].id.rpartition("/")[0]].append(i)
    whole = [r for r in rows.values() if len(r) == PAIRS and not np.isnan(credit[r]).any()]
    at = np.array(whole, np.int64).reshape(-1, PAIRS)
    made, clusters = pairwise_credits(credit[at]), reading.table.cluster[at[:, 0]]
    missing = len(rows) - len(whole)
    return {
        "pairwise_all_wins": cluster_wilson(made.all_wins, clusters, missing=missing),
        "pairwise_mean": cluster_wilson(made.mean, clusters, missing=missing),
    }
