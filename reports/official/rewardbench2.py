"""RewardBench 2: five best-of-four subsets, Ties, and the unweighted mean of the six.

Formulas and source: `bench.stats.rewardbench2`. A judge that rates each response alone is scored as
in the authors' ratings mode: the share 1 / k where the right response is one of the k best. One
that is shown the list and names the best is scored as in their ranking mode: 1 or 0, averaged over
the orders shown, of which they draw one. Ties always takes ratings, also in their code, so a judge
that was shown lists has no Ties score and no overall one, only the mean of the other five.

official: a failed rating is -1 and a failed answer 1/4, as in their code. strict: both are 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.stats import Basis, Estimate, cluster_wilson, macro
from bench.stats.rewardbench2 import SUBSETS, TiesRow, best_of_credit, ties, total
from bench.types import BenchError, Item, JudgeCard
from reports.official.parts import OFFICIAL, STRICT, Score, by_subset
from reports.readings import LOST, STATUSES, Bools, Floats, Ints, Readings

READINGS = {OFFICIAL: True, STRICT: False}
TIES = "Ties"
FIVE = tuple(name for name in SUBSETS if name != TIES)
LISTS = "takes a rating of each response alone, and this judge was shown lists"
_TIES_ID = re.compile(r"(ref|tied)[:-](\d+)$")


def scores(card: JudgeCard, reading: Readings, items: Ints) -> Iterator[Score]:
    """Each subset, the mean of the five best-of-four subsets where all are there, and the mean of
    the six. Raises BenchError for a row of Ties whose id does not end in ref:N or tied:N."""
    lost_showings = reading.statuses[:, [STATUSES.index(status) for status in LOST]]
    lost = lost_showings.sum(axis=1) > 0
    subsets = {s: at for s, at in by_subset(reading, items).items() if s in SUBSETS}
    for name, official in READINGS.items():
        made = {}
        for subset, of_subset in subsets.items():
            answered = of_subset[~lost[of_subset]]
            score = _ties if subset == TIES else _best_of
            e = score(reading, answered, official)
            made[subset] = replace(e, n_missing=e.n_missing + len(of_subset) - len(answered))
            yield Score("subset", subset, name, made[subset])
        if set(FIVE) <= made.keys():
            five = macro([made[subset] for subset in FIVE], FIVE)
            yield Score("overall", "five subsets without Ties", name, five)
        if made.keys() == set(SUBSETS):
            yield Score("overall", "macro", name, total(made))


def _best_of(reading: Readings, items: Ints, official: bool) -> Estimate:
    table = reading.table
    credit = []
    for i in items.tolist():
        right_first = np.argsort(~_right(table.items[i]), kind="stable")
        lists = np.array([utilities for _, utilities in reading.lists[i]])[:, right_first]
        credit.append(best_of_credit(lists, official=official).mean())
    return cluster_wilson(credit, table.cluster[items])


def _ties(reading: Readings, items: Ints, official: bool) -> Estimate:
    """The Ties score of the ratings, averaged over repeats."""
    table = reading.table
    questions = len(np.unique(table.cluster[items]))
    basis = Basis("RewardBench 2 Ties score", 0.95, questions, questions)
    if not items.size:
        return basis.undefined("insufficient", "no row was answered")
    if any(order for i in items.tolist() for order, _ in reading.lists[i]):
        return basis.undefined("out_of_range", f"the Ties score {LISTS}")
    rows = [
        _ties_row(table.items[i], np.array([utilities for _, utilities in reading.lists[i]]))
        for i in items.tolist()
    ]
    return ties(rows, official=official).score


def _ties_row(item: Item, lists: Floats) -> TiesRow:
    """`lists`: (repeats, responses) ratings, NaN where there was none."""
    found = _TIES_ID.search(item.id)
    if found is None:
        raise BenchError(
            f"item {item.id!r} of task {item.task!r}: the id of a Ties row ends in ref:N or tied:N"
        )
    known = ~np.isnan(lists)
    total = np.where(known, lists, 0.0).sum(axis=0)
    utilities = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
    right = _right(item)
    ordered = [*utilities[right], *utilities[~right]]
    return TiesRow(found[2], found[1] == "tied", ordered, int(right.sum()))


def _right(item: Item) -> Bools:
    """(responses,) whether the gold label has the response on top."""
    gold = np.array(item.labels[0].utilities)
    return np.asarray(gold == gold.max(), bool)
