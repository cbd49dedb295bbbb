"""A ledger's showings as arrays: what every table starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.outcome import Policy, Rule, outcome, top_set
from bench.types import Item

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Shown = tuple[tuple[int, ...], list[float]]
LOST = ("error", "not_run")  # no answer from the infrastructure: no outcome, the run incomplete
FAILURES = ("unparsed", "refused", "truncated", *LOST)
STATUSES = ("ok", *FAILURES)


class ItemTable:
    """The items as arrays, in ledger order.

    `cluster`: (items,) integer code of the prompt, or of the items' own clusters where these are
    fewer: whichever ties more of a task's items together. `n_responses`: (items,). Votes are
    labels, flattened: `vote_item`, `vote_top` (bit masks), `vote_decides` (not a tie between all).
    `pair_votes`, `pair_votes_first`: (items,) deciding votes on a pair, and those for response 0.
    `preference`: (items,) how far annotators prefer response 0 of a pair, ties 1/2; NaN without.
    Second answers: `retest_item`, and `retest_tops` (retests, 2) of the first and second answer.
    `labelled`, `decided`: (items,) has a vote, has a deciding one. `chance`, `best_credit`:
    (items,) credit of a random response, and of the one that most deciding votes have on top.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.task = [item.task for item in items]
        self.domain = [item.domain for item in items]
        self.cluster = _clusters(items)
        self.n_responses: Ints = np.array([len(i.responses) for i in items], np.int64)
        votes = [(n, label) for n, item in enumerate(items) for label in item.labels]
        self.vote_item: Ints = np.array([n for n, _ in votes], np.int64)
        self.vote_top: Ints = np.array([top_set(v.utilities) for _, v in votes], np.int64)
        self.vote_annotator = [v.annotator for _, v in votes]
        self.vote_decides: Bools = self.vote_top != (1 << self.n_responses[self.vote_item]) - 1
        retests = [(n, *tops) for n, item in enumerate(items) for tops in retest_tops(item)]
        self.retest_item: Ints = np.array([n for n, _, _ in retests], np.int64)
        self.retest_tops: Ints = np.array([t for _, *t in retests], np.int64).reshape(-1, 2)
        self.pairs: Bools = self.n_responses == 2
        self.labelled: Bools = np.bincount(self.vote_item, minlength=len(items)) > 0
        self.decided: Bools = self.per_item(self.vote_decides.astype(float), self.vote_decides) > 0
        self.best_credit = self._best_credit()
        share = np.bitwise_count(self.vote_top) / self.n_responses[self.vote_item]
        self.chance = self.per_item(share, self.vote_decides)
        decisive = self.vote_decides & self.pairs[self.vote_item]
        for_first = decisive & (self.vote_top == 1)
        n = len(items)
        self.pair_votes: Ints = np.bincount(self.vote_item[decisive], minlength=n)
        self.pair_votes_first: Ints = np.bincount(self.vote_item[for_first], minlength=n)
        towards_first = np.where(self.vote_decides, (self.vote_top == 1).astype(float), 0.5)
        self.preference = self.per_item(towards_first, self.pairs[self.vote_item])

    def _best_credit(self) -> Floats:
        """(items,) the most that one response earns, averaged over the deciding votes."""
        widest = int(self.n_responses.max(initial=0))
        earned = [
            self.per_item(((self.vote_top >> r) & 1).astype(float), self.vote_decides)
            for r in range(widest)
        ]
        best: Floats = np.max(earned, axis=0)
        return best

    def per_item(self, values: Floats, kept: Bools) -> Floats:
        """Mean over each item's kept votes, NaN where none is kept. `values`: (votes,)."""
        n = len(self.items)
        total = np.bincount(self.vote_item[kept], values[kept], n)
        count = np.bincount(self.vote_item[kept], minlength=n)
        mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return mean


def _clusters(items: Sequence[Item]) -> Ints:
    """(items,) codes; see `ItemTable`."""
    of_task: dict[str, list[int]] = {}
    for n, item in enumerate(items):
        of_task.setdefault(item.task, []).append(n)
    keys = [item.prompt_key for item in items]
    for indices in of_task.values():
        own = [items[n].cluster or keys[n] for n in indices]
        if len(set(own)) < len({keys[n] for n in indices}):
            for n, key in zip(indices, own, strict=True):
                keys[n] = key
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(key, len(codes)) for key in keys], np.int64)


def retest_tops(item: Item) -> list[tuple[int, int]]:
    """(first, second) top sets of every annotator who was asked again."""
    first = {label.annotator: top_set(label.utilities) for label in item.labels}
    return [
        (first[again.annotator], top_set(again.utilities))
        for again in item.retests
        if again.annotator in first
    ]


@dataclass(frozen=True)
class Block:
    """Items of one judge that were shown in the same number of orders, one row per repeat.

    `item`, `repeat`: (rows,). `top`: (rows, orders) bit masks. `failed`, `lost`: (rows, orders), no
    verdict from the judge, no answer at all. `slot`: (rows, orders) item index shown first; -1:
    pointwise. `confidence`: (rows, orders) of the verdict, NaN where the judge gave none.
    """

    item: Ints
    repeat: Ints
    top: Ints
    failed: Bools
    lost: Bools
    slot: Ints
    confidence: Floats

    @property
    def whole(self) -> Bools:
        """(rows,) whether every order has its answer."""
        return np.asarray(~self.lost.any(axis=1), bool)


@dataclass(frozen=True)
class Readings:
    """One judge's showings. `statuses`: (items, STATUSES) number of showings. `cut`: (items,) of
    those, how many had a verdict on a part of what was shown. `lists`: item index
    -> order and utilities of each of its showings, for items of three and more responses; the
    utilities in item order, NaN where there is none; no order for a pointwise judge."""

    judge: str
    table: ItemTable
    blocks: tuple[Block, ...]
    statuses: Ints
    cut: Ints
    lists: Mapping[int, list[Shown]]

    def scores(self, rule: Rule, policy: Policy = "wrong") -> Floats:
        """(items,) outcome of each item: mean over repeats and over the item's deciding votes of
        the outcome against that vote; NaN where the judge was not asked, got no answer, or no vote
        decides."""
        table = self.table
        total, count = np.zeros(len(table.vote_item)), np.zeros(len(table.vote_item))
        for block in self.blocks:
            for repeat in np.unique(block.repeat):
                row = np.full(len(table.items), -1)
                rows = np.flatnonzero(block.whole & (block.repeat == repeat))
                row[block.item[rows]] = rows
                mine = np.flatnonzero((row[table.vote_item] >= 0) & table.vote_decides)
                rows = row[table.vote_item[mine]]
                n = table.n_responses[table.vote_item[mine]]
                label = table.vote_top[mine]
                found = outcome(block.top[rows], block.failed[rows], label, n, rule, policy)
                total[mine] += np.nan_to_num(found)
                count[mine] += ~np.isnan(found)
        votes = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return table.per_item(votes, ~np.isnan(votes))

    def best_case(self) -> Floats:
        """(items,) the mean score if every failed verdict had named the response that most of the
        item's votes have on top; NaN as in `scores`."""
        failed, shown = np.zeros(len(self.table.items)), np.zeros(len(self.table.items))
        for block in self.blocks:
            rows = block.whole
            np.add.at(failed, block.item[rows], block.failed[rows].sum(axis=1))
            np.add.at(shown, block.item[rows], block.failed.shape[1])
        return self.scores("mean") + failed / np.maximum(shown, 1) * self.table.best_credit

    def asked(self) -> Bools:
        """(items,) whether the judge was to be shown the item."""
        asked = np.zeros(len(self.table.items), bool)
        for block in self.blocks:
            asked[block.item] = True
        return asked

    def lost_items(self) -> Bools:
        """(items,) whether no repeat has its answers (error or not run): there is no outcome."""
        answered = np.zeros(len(self.table.items), bool)
        for block in self.blocks:
            answered[block.item[block.whole]] = True
        return self.asked() & ~answered

    def pair_verdicts(self) -> tuple[Ints, Ints]:
        """Valid showings of pairs: (item index, +1 response 0 | 0 tie | -1 response 1)."""
        items, codes = [], []
        for block in self.blocks:
            valid = ~(block.failed | block.lost) & self.table.pairs[block.item][:, None]
            row, order = np.nonzero(valid)
            items.append(block.item[row])
            codes.append(_code(block.top[row, order]))
        return _joined(items), _joined(codes)

    def preferences(self) -> Floats:
        """(items,) how far the judge prefers response 0 of a pair, from 0 to 1: the mean over its
        valid showings, ties 1/2; NaN where there is none."""
        items, codes = self.pair_verdicts()
        n = len(self.table.items)
        shown = np.bincount(items, minlength=n)
        total = np.bincount(items, (codes + 1) / 2, n)
        return np.where(shown > 0, total / np.maximum(shown, 1), np.nan)

    def in_slots(self) -> tuple[Ints, Floats, Floats]:
        """Pairs that were shown in both orders and answered: (item index, verdict when response 0
        was shown first, verdict when response 1 was), +1 what was shown first | 0 tie | -1 what
        was shown second, NaN where that order gave no verdict. One order alone cannot tell
        position from quality."""
        items, orders = [], []
        for block in self.blocks:
            if block.top.shape[1] == 2:
                rows = block.whole & self.table.pairs[block.item]
                by_item = np.where(block.failed[rows], np.nan, _code(block.top[rows]))
                by_slot = np.where(block.slot[rows] == 0, by_item, -by_item)
                first = np.argmin(block.slot[rows], axis=1)[:, None]  # the order that shows 0 first
                both = np.take_along_axis(by_slot, np.hstack([first, 1 - first]), axis=1)
                items.append(block.item[rows])
                orders.append(both)
        both = np.concatenate(orders) if orders else np.zeros((0, 2))
        return _joined(items), both[:, 0], both[:, 1]

    def probabilities(self) -> tuple[Ints, Floats]:
        """Pairs with verdicts and confidences in every order shown: (item index, the judge's
        probability that response 0 is the better one, averaged over the orders)."""
        items, means = [], []
        for block in self.blocks:
            code = _code(block.top)
            usable = ~(block.failed | block.lost) & ~np.isnan(block.confidence)
            p = np.where(code > 0, block.confidence, 1 - block.confidence)
            p = np.where(code == 0, 0.5, p)
            rows = usable.all(axis=1) & self.table.pairs[block.item]
            items.append(block.item[rows])
            means.append(p[rows].mean(axis=1))
        return _joined(items), _joined(means).astype(float)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _code(top: Ints) -> Ints:
    """Bit mask of a pair -> +1, 0, -1."""
    code: Ints = (top & 1) - ((top >> 1) & 1)
    return code
