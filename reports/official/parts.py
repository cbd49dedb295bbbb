"""What the official scores are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.stats import Estimate, cluster_wilson
from reports.readings import Floats, Ints, Readings

OFFICIAL, STRICT = "official", "strict"


@dataclass(frozen=True)
class Score:
    """One row of the table. `scope`: overall, or what kind of part `group` is."""

    scope: str
    group: str
    reading: str
    estimate: Estimate


def by_subset(reading: Readings, items: Ints) -> dict[str, Ints]:
    """The items, indices into the table, by the set's own subset, in ledger order."""
    subsets: dict[str, list[int]] = {}
    for i in items.tolist():
        subsets.setdefault(reading.table.items[i].subset or "", []).append(i)
    return {subset: np.array(indices, np.int64) for subset, indices in subsets.items()}


def mean_credit(reading: Readings, credit: Floats, items: Ints) -> Estimate:
    """Mean of the items' (items of the table,) credits, by prompt; NaN is missing."""
    known = items[~np.isnan(credit[items])]
    missing = len(items) - len(known)
    return cluster_wilson(credit[known], reading.table.cluster[known], missing=missing)


def wins(reading: Readings) -> Floats:
    """(items,) share of the showings in which a gold pair's right response was named alone: neither
    a tie nor a failure is a win. NaN where an answer is lost in every repeat."""
    table = reading.table
    gold = np.zeros(len(table.items), np.int64)
    gold[table.vote_item] = table.vote_top
    total, count = np.zeros(len(table.items)), np.zeros(len(table.items))
    for block in reading.blocks:
        won = (block.top == gold[block.item][:, None]) & ~block.failed
        np.add.at(total, block.item[block.whole], won[block.whole].mean(axis=1))
        np.add.at(count, block.item[block.whole], 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
