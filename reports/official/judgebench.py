"""JudgeBench: the net vote of both orders, over all pairs (micro) and by category.

Rule (the authors' utils/metrics.py): each order votes +1 for right, -1 for wrong, 0 for a tie or
nothing readable; a pair is right when the sum is above 0. A judge whose answer no order can change
votes once. strict: right in both orders. Categories are the beginnings of the pairs' sources.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.stats import Basis, Estimate
from bench.types import JudgeCard
from reports.official.parts import OFFICIAL, STRICT, Score, mean_credit
from reports.readings import Floats, Ints, Readings

CATEGORIES = {
    "knowledge": "mmlu-pro",
    "reasoning": "livebench-reasoning",
    "math": "livebench-math",
    "coding": "livecodebench",
}
ONE_ORDER = "the rule takes both orders, and this judge was shown one"


def scores(card: JudgeCard, reading: Readings, items: Ints) -> Iterator[Score]:
    """All pairs, and those of each category."""
    groups = {("overall", "micro"): items}
    sources = [reading.table.items[i].subset or "" for i in items.tolist()]
    for category, beginning in CATEGORIES.items():
        of_category = np.array([source.startswith(beginning) for source in sources], bool)
        if of_category.any():
            groups["category", category] = items[of_category]
    readings = {OFFICIAL: reading.scores("net_vote"), STRICT: reading.scores("strict")}
    for name, credit in readings.items():
        for (scope, group), mine in groups.items():
            yield Score(scope, group, name, _score(card, reading, credit, mine))


def _score(card: JudgeCard, reading: Readings, credit: Floats, items: Ints) -> Estimate:
    e = mean_credit(reading, credit, items)
    if card.orders == "all":
        return e
    basis = Basis(e.method, e.level, e.n_items, e.n_clusters, e.n_missing)
    return basis.undefined("out_of_range", ONE_ORDER)
