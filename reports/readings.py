"""A ledger's showings as arrays: what every table starts from."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.ledger import Ledger
from bench.outcome import Policy, Rule, outcome, top_set
from bench.types import Item

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LOST = ("error", "not_run")  # no answer from the infrastructure: no outcome, the run incomplete


class ItemTable:
    """The items as arrays, in ledger order.

    `cluster`: (items,) integer code of the prompt. `n_responses`: (items,). Votes are labels,
    flattened: `vote_item`, `vote_top` (bit masks), `vote_decides` (not a tie between all).
    `pair_votes`, `pair_votes_first`: (items,) deciding votes on a pair, and those for response 0.
    `decided`: (items,) has a deciding vote. `chance`: (items,) credit of a random response.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.task = [item.task for item in items]
        self.domain = [item.domain for item in items]
        codes: dict[str, int] = {}
        self.cluster: Ints = np.array(
            [codes.setdefault(i.prompt_key, len(codes)) for i in items], np.int64
        )
        self.n_responses: Ints = np.array([len(i.responses) for i in items], np.int64)
        votes = [(n, label) for n, item in enumerate(items) for label in item.labels]
        self.vote_item: Ints = np.array([n for n, _ in votes], np.int64)
        self.vote_top: Ints = np.array([top_set(v.utilities) for _, v in votes], np.int64)
        self.vote_annotator = [v.annotator for _, v in votes]
        self.vote_decides: Bools = self.vote_top != (1 << self.n_responses[self.vote_item]) - 1
        self.pairs: Bools = self.n_responses == 2
        self.decided: Bools = self.per_item(self.vote_decides.astype(float), self.vote_decides) > 0
        share = np.bitwise_count(self.vote_top) / self.n_responses[self.vote_item]
        self.chance = self.per_item(share, self.vote_decides)
        decisive = self.vote_decides & self.pairs[self.vote_item]
        for_first = decisive & (self.vote_top == 1)
        n = len(items)
        self.pair_votes: Ints = np.bincount(self.vote_item[decisive], minlength=n)
        self.pair_votes_first: Ints = np.bincount(self.vote_item[for_first], minlength=n)

    def per_item(self, values: Floats, kept: Bools) -> Floats:
        """Mean over each item's kept votes, NaN where none is kept. `values`: (votes,)."""
        n = len(self.items)
        total = np.bincount(self.vote_item[kept], values[kept], n)
        count = np.bincount(self.vote_item[kept], minlength=n)
        mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return mean


@dataclass(frozen=True)
class Block:
    """Items of one judge that were shown in the same number of orders.

    `item`: (rows,). `top`: (rows, orders) bit masks. `failed`, `lost`: (rows, orders), no verdict
    from the judge, no answer at all. `slot`: (rows, orders) item index shown first; -1: pointwise.
    """

    item: Ints
    top: Ints
    failed: Bools
    lost: Bools
    slot: Ints


@dataclass(frozen=True)
class Readings:
    """One judge's showings. `statuses`: (item, status) -> number of showings."""

    judge: str
    table: ItemTable
    blocks: tuple[Block, ...]
    statuses: Counter[tuple[int, str]]

    def scores(self, rule: Rule, policy: Policy = "wrong", *, best_case: bool = False) -> Floats:
        """(items,) outcome of each item: mean over its deciding votes of the outcome against that
        vote; NaN where the judge was not asked, got no answer, or no vote decides. `best_case`:
        every failed verdict counts as right."""
        table = self.table
        votes = np.full(len(table.vote_item), np.nan)
        for block in self.blocks:
            row = np.full(len(table.items), -1)
            row[block.item[~block.lost.any(axis=1)]] = np.flatnonzero(~block.lost.any(axis=1))
            mine = np.flatnonzero((row[table.vote_item] >= 0) & table.vote_decides)
            rows = row[table.vote_item[mine]]
            label, failed = table.vote_top[mine], block.failed[rows]
            top = block.top[rows]
            if best_case:
                top, failed = np.where(failed, label[:, None], top), np.zeros_like(failed)
            n = table.n_responses[table.vote_item[mine]]
            votes[mine] = outcome(top, failed, label, n, rule, policy)
        return table.per_item(votes, ~np.isnan(votes))

    def asked(self) -> Bools:
        """(items,) whether the judge was to be shown the item."""
        asked = np.zeros(len(self.table.items), bool)
        for block in self.blocks:
            asked[block.item] = True
        return asked

    def lost_items(self) -> Bools:
        """(items,) whether an answer is missing (error or not run)."""
        lost = np.zeros(len(self.table.items), bool)
        for block in self.blocks:
            lost[block.item] |= block.lost.any(axis=1)
        return lost

    def pair_verdicts(self) -> tuple[Ints, Ints]:
        """Valid showings of pairs: (item index, +1 response 0 | 0 tie | -1 response 1)."""
        items, codes = [], []
        for block in self.blocks:
            valid = ~(block.failed | block.lost) & self.table.pairs[block.item][:, None]
            row, order = np.nonzero(valid)
            items.append(block.item[row])
            codes.append(_code(block.top[row, order]))
        return _joined(items), _joined(codes)

    def flips(self) -> tuple[Ints, Floats]:
        """Pairs with a verdict in both orders: (item index, 1 if the two verdicts differ)."""
        items, flips = [], []
        for block in self.blocks:
            if block.top.shape[1] == 2:
                valid = ~(block.failed | block.lost).any(axis=1) & self.table.pairs[block.item]
                items.append(block.item[valid])
                flips.append(block.top[valid, 0] != block.top[valid, 1])
        return _joined(items), _joined(flips).astype(float)

    def first_slot(self) -> tuple[Ints, Floats]:
        """Valid showings of pairs in both orders: (item index, 1 if what was shown first was
        picked, 1/2 for a tie). One order alone cannot tell position from quality."""
        items, picks = [], []
        for block in self.blocks:
            if block.top.shape[1] == 2:
                rows = ~(block.failed | block.lost).any(axis=1) & self.table.pairs[block.item]
                first = np.int64(1) << block.slot[rows]
                has = (block.top[rows] & first) > 0
                picks.append((has / np.bitwise_count(block.top[rows])).ravel())
                items.append(np.repeat(block.item[rows], 2))
        return _joined(items), _joined(picks).astype(float)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _code(top: Ints) -> Ints:
    """Bit mask of a pair -> +1, 0, -1."""
    code: Ints = (top & 1) - ((top >> 1) & 1)
    return code


def read(ledger: Ledger, judge: str, table: ItemTable) -> Readings:
    """One judge's readings from a ledger."""
    rows: dict[int, list[tuple[int, list[tuple[int, bool, bool, int]]]]] = defaultdict(list)
    statuses: Counter[tuple[int, str]] = Counter()
    for item, showings in itertools.groupby(ledger.showings(judge), key=lambda row: row[0]):
        orders: dict[str, list[tuple[str, list[float] | None]]] = defaultdict(list)
        for _, shown, _, status, utilities in showings:
            statuses[item, status] += 1
            orders[shown].append((status, None if utilities is None else json.loads(utilities)))
        cells = _cells(orders)
        rows[len(cells)].append((item, cells))
    blocks = []
    for _, group in sorted(rows.items()):
        item_of_row: Ints = np.array([item for item, _ in group], np.int64)
        top, failed, lost, slot = np.moveaxis(
            np.array([cells for _, cells in group], np.int64), 2, 0
        )
        blocks.append(Block(item_of_row, top, failed.astype(bool), lost.astype(bool), slot))
    return Readings(judge, table, tuple(blocks), statuses)


def _cells(
    orders: dict[str, list[tuple[str, list[float] | None]]],
) -> list[tuple[int, bool, bool, int]]:
    """(top set, failed, lost, index shown first) of each order of one item."""
    averaged = [(shown, *_average(repeats)) for shown, repeats in orders.items()]
    if "," in averaged[0][0]:
        return [
            (top_set(u) if u else 0, _failed(s), s in LOST, int(shown.partition(",")[0]))
            for shown, s, u in averaged
        ]
    # Pointwise: the responses' own utilities side by side are the item's one showing.
    statuses = [s for _, s, _ in averaged]
    lost = any(s in LOST for s in statuses)
    failed = any(map(_failed, statuses)) and not lost
    top = 0 if lost or failed else top_set([u[0] for _, _, u in averaged if u])
    return [(top, failed, lost, -1)]


def _failed(status: str) -> bool:
    return status != "ok" and status not in LOST


def _average(repeats: Iterable[tuple[str, list[float] | None]]) -> tuple[str, list[float] | None]:
    """Repeats of one order -> one verdict: the mean utilities of those that hold a verdict."""
    repeats = list(repeats)
    valid = [u for _, u in repeats if u is not None]
    if any(s in LOST for s, _ in repeats):
        return next(s for s, _ in repeats if s in LOST), None
    if not valid:
        return repeats[0][0], None
    return "ok", [sum(values) / len(valid) for values in zip(*valid, strict=True)]
