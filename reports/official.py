"""The scores that benchmarks define for themselves, beside a strict reading of the verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from bench.stats import Estimate, cluster_wilson
from bench.stats.rewardbench2 import SUBSETS, TiesRow, best_of_credit, ties, total
from bench.types import BenchError, Item
from reports.groups import cells
from reports.readings import Bools, Floats, Readings
from reports.study import Study

COLUMNS = ("task", "scope", "group", "judge", "reading", "n_items", "n_prompts", "n_missing")
READINGS = {"official": True, "strict": False}
"""How a failed rating counts: as the authors' code has it, or as a failure."""

TASKS = ("rewardbench2",)
"""Tasks scored by the rules of RewardBench 2: their subsets have its names, and the rows of Ties
have ids that end in ref:N (one right response) or tied:N (several)."""

_TIES_ID = re.compile(r"(ref|tied)[:-](\d+)$")


def official_table(study: Study) -> pd.DataFrame:
    """One row per judge, subset and reading, and the unweighted mean of the six subsets where all
    are there. `score`: best of four, averaged over the orders shown, or the Ties score of the mean
    utilities."""
    rows: list[dict[str, object]] = []
    for task in dict.fromkeys(study.table.task):
        if task in TASKS:
            for card in study.cards:
                rows += _rows(study, task, study.readings[card.name])
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells({"score": None})])


def _rows(study: Study, task: str, reading: Readings) -> Iterator[dict[str, object]]:
    table = study.table
    mine = np.flatnonzero(reading.asked() & (np.array(table.task) == task))
    by_subset: dict[str, list[int]] = {}
    for i in map(int, mine):
        by_subset.setdefault(table.items[i].subset or "", []).append(i)
    for name, official in READINGS.items():
        scores = {
            subset: _subset(study, reading, indices, subset == "Ties", official)
            for subset, indices in by_subset.items()
            if subset in SUBSETS
        }
        if set(scores) == set(SUBSETS):
            scores["overall"] = total(scores)
        for subset, e in scores.items():
            scope = "overall" if subset == "overall" else "subset"
            at = (task, scope, "macro" if scope == "overall" else subset, reading.judge, name)
            values = (*at, e.n_items, e.n_clusters, e.n_missing)
            key = dict(zip(COLUMNS[:3], at[:3], strict=True))
            study.estimates.keep(key, reading.judge, {f"score_{name}": e})
            yield {**dict(zip(COLUMNS, values, strict=True)), **cells({"score": e})}


def _subset(
    study: Study, reading: Readings, indices: list[int], is_ties: bool, official: bool
) -> Estimate:
    table = study.table
    shown = {i: [utilities for _, utilities in reading.lists[i]] for i in indices}
    if is_ties:
        rows = [_ties_row(table.items[i], np.array(of_item)) for i, of_item in shown.items()]
        return ties(rows, official=official).score
    credit = []
    for i, of_item in shown.items():
        right_first = np.argsort(~_right(table.items[i]), kind="stable")
        lists = np.array(of_item)[:, right_first]
        credit.append(best_of_credit(lists, official=official).mean())
    return cluster_wilson(credit, table.cluster[np.array(indices)])


def _ties_row(item: Item, lists: Floats) -> TiesRow:
    """`lists`: (showings, responses) utilities, NaN where there was none."""
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
