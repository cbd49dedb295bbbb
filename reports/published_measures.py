"""Numbers that papers publish and our own tables do not have, because others say more: verdicts as
three classes against the annotators' majority, and plain Cohen's kappa."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.stats import Clusters, Estimate
from bench.stats.resample import Resample
from reports.groups import Made
from reports.readings import Bools, Floats, Ints, ItemTable, Readings
from reports.study import Study

CLASSES = 3  # response 0, a tie, response 1
_CLASS = np.array([1, 0, 2, 1])  # top set of a pair -> class; no verdict is a tie
_CELLS = CLASSES * CLASSES
_REPLICATES = 2_000

Shares = Callable[[Floats], Floats]
"""(replicates, 3, 3) counts, verdict by label -> (replicates,) values; NaN where undefined."""


def keep_measures(study: Study) -> None:
    """Add these to the study's estimates, for every judge and every group of pairs but the mean of
    domains.

    A pair's label is the class that most annotators chose; pairs without one are left out. A failed
    verdict is a tie, as in PandaLM's script. `three_way` (share of verdicts that are the label),
    `macro_precision`, `macro_recall`, `macro_f1` (unweighted means over the classes, 0 for a class
    that is never named): of the first order shown, as JudgeLM defines them. `cohen_kappa`: mean
    over the orders, as LLMBar has it. Repeats are rows of their own. Bootstrap by prompt.
    """
    label = majority(study.table)
    for card in study.cards:
        reading = study.readings[card.name]
        item, verdict = _verdicts(reading)
        lost = reading.lost_items()
        for group in study.groups:
            mine = group.items & (label >= 0)
            at = np.flatnonzero(mine[item])
            if group.scope != "overall" and at.size:
                clusters, missing = study.table.cluster[item[at]], int((mine & lost).sum())
                made = _measures(verdict[at], label[item[at]], clusters, missing)
                study.estimates.keep(group.key, card.name, made)


def majority(table: ItemTable) -> Ints:
    """(items,) the class that most votes on a pair chose; -1 where two lead alike, or none is."""
    votes = np.zeros((len(table.items), CLASSES), np.int64)
    mine = np.flatnonzero(table.pairs[table.vote_item])
    np.add.at(votes, (table.vote_item[mine], _CLASS[table.vote_top[mine]]), 1)
    most = votes.max(axis=1, keepdims=True)
    alone: Bools = ((votes == most).sum(axis=1) == 1) & (most[:, 0] > 0)
    return np.where(alone, votes.argmax(axis=1), -1)


def _verdicts(reading: Readings) -> tuple[Ints, Ints]:
    """(rows,) items and (rows, 2) classes in the first order and in the last, which is the first
    where one order was shown; pairs with all answers."""
    items, classes = [np.zeros(0, np.int64)], [np.zeros((0, 2), np.int64)]
    for block in reading.blocks:
        kept = block.whole & reading.table.pairs[block.item]
        said = _CLASS[np.where(block.failed, 0, block.top)[kept]]
        items.append(block.item[kept])
        classes.append(said[:, [0, -1]])
    return np.concatenate(items), np.concatenate(classes)


def _measures(said: Ints, label: Ints, clusters: Ints, missing: int) -> Made:
    cells = said * CLASSES + label[:, None]
    columns = [(cells[:, order] == cell) for order in (0, 1) for cell in range(_CELLS)]
    sums = Resample.of(
        [column.astype(float) for column in columns],
        Clusters.of(clusters, len(label)),
        replicates=_REPLICATES,
    )

    def of(name: str, value: Shares, orders: tuple[int, ...], low: float = 0) -> Estimate:
        def statistic(totals: Floats) -> Floats:
            counts = totals.reshape(-1, 2, CLASSES, CLASSES)
            mean: Floats = np.mean([value(counts[:, order]) for order in orders], axis=0)
            return mean

        return sums.estimate(statistic, name, bounds=(low, 1.0), missing=missing)

    return {
        "three_way": of("three-way agreement", _accuracy, (0,)),
        "macro_precision": of("macro precision", _precision, (0,)),
        "macro_recall": of("macro recall", _recall, (0,)),
        "macro_f1": of("macro F1", _f1, (0,)),
        "cohen_kappa": of("Cohen kappa, mean of the orders", _kappa, (0, 1), -1),
    }


def _hits(counts: Floats) -> Floats:
    diagonal: Floats = np.diagonal(counts, axis1=1, axis2=2)
    return diagonal


def _accuracy(counts: Floats) -> Floats:
    hits: Floats = _hits(counts).sum(axis=1) / counts.sum(axis=(1, 2))
    return hits


def _precision(counts: Floats) -> Floats:
    shares: Floats = (_hits(counts) / np.maximum(counts.sum(axis=2), 1)).mean(axis=1)
    return shares


def _recall(counts: Floats) -> Floats:
    shares: Floats = (_hits(counts) / np.maximum(counts.sum(axis=1), 1)).mean(axis=1)
    return shares


def _f1(counts: Floats) -> Floats:
    named = counts.sum(axis=1) + counts.sum(axis=2)
    means: Floats = (2 * _hits(counts) / np.maximum(named, 1)).mean(axis=1)
    return means


def _kappa(counts: Floats) -> Floats:
    chance = (counts.sum(axis=1) * counts.sum(axis=2)).sum(axis=1) / counts.sum(axis=(1, 2)) ** 2
    beyond = 1 - chance
    found: Floats = np.where(
        beyond > 0, (_accuracy(counts) - chance) / np.where(beyond > 0, beyond, 1), np.nan
    )
    return found
