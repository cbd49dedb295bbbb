"""A ledger -> one judge's readings, column by column: a million showings are no objects."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from statistics import fmean
from typing import Any

import numpy as np

from bench.ledger import Ledger
from bench.outcome import top_set
from bench.types import JudgeCard
from reports.readings import LOST, STATUSES, Block, Floats, Ints, ItemTable, Readings, Shown

Row = tuple[Any, ...]
"""A row of Ledger.showings."""


def read(ledger: Ledger, card: JudgeCard, table: ItemTable) -> Readings:
    """The readings of the judge of that card from a ledger."""
    rows: list[tuple[int, int, int, int, int, float, float, bool]] = []
    lists: dict[int, list[Shown]] = defaultdict(list)
    many = (table.n_responses > 2).tolist()
    cut = np.zeros(len(table.items), np.int64)
    showings = ledger.showings(card.name)
    for item, shown, repeat, status, utilities, confidence, part in (
        showings if card.samples == 1 else _averaged(showings, card.samples)
    ):
        cut[item] += bool(part)
        alone = "," not in shown
        top, value = _parsed(utilities, alone)
        sure = math.nan if confidence is None else confidence
        first = int(shown.partition(",")[0])
        rows.append((item, repeat, first, STATUSES.index(status), top, value, sure, alone))
        if many[item] and not alone:
            failed = [math.nan] * int(table.n_responses[item])
            given = json.loads(utilities) if utilities else failed
            lists[item].append((tuple(map(int, shown.split(","))), given))
    columns = zip(*rows, strict=True) if rows else [()] * 8
    items, repeats, firsts, codes, tops, values, sures, alones = (np.array(c) for c in columns)
    blocks = []
    for alone in (False, True):
        mine = np.flatnonzero(alones == alone)
        for at in _showings(items[mine], repeats[mine]):
            where = mine[at]
            block = _block(*(c[where] for c in (items, repeats, firsts, codes, tops, sures)))
            if alone:
                block = _side_by_side(block, values[where])
                _add_lists(lists, block, values[where], many)
            blocks.append(block)
    counts = np.bincount(
        items.astype(np.int64) * len(STATUSES) + codes.astype(np.int64),
        minlength=len(table.items) * len(STATUSES),
    )
    statuses = counts.reshape(-1, len(STATUSES))
    return Readings(card.name, table, tuple(blocks), statuses, cut, lists)


def _averaged(showings: Iterable[Row], samples: int) -> Iterator[Row]:
    """Every `samples` showings of an item in one order as one: the mean utilities of those with a
    verdict. Without any, the first's status; with an answer that is still missing, that."""
    for (item, shown, turn), several in groupby(showings, lambda r: (r[0], r[1], r[2] // samples)):
        rows = list(several)
        missing = [row for row in rows if row[3] in LOST]
        given = [row for row in rows if row[3] == "ok"]
        if missing or not given:
            yield (item, shown, turn, (missing or rows)[0][3], None, None, None)
            continue
        utilities = [
            fmean(values) for values in zip(*(json.loads(r[4]) for r in given), strict=True)
        ]
        sure = [row[5] for row in given if row[5] is not None]
        confidence = fmean(sure) if len(sure) == len(given) else None
        cut = any(row[6] for row in given)
        yield (item, shown, turn, "ok", json.dumps(utilities), confidence, cut)


@lru_cache(maxsize=4096)
def _parsed(utilities: str | None, alone: bool) -> tuple[int, float]:
    """Top set of a showing, and the value of a response that was shown alone."""
    if utilities is None:
        return 0, math.nan
    values = json.loads(utilities)
    return (0, values[0]) if alone else (top_set(values), math.nan)


def _showings(items: Ints, repeats: Ints) -> Iterator[Ints]:
    """(groups, m) positions of the showings of an item and repeat, for every m that occurs."""
    if not items.size:
        return
    key = items.astype(np.int64) * (int(repeats.max()) + 1) + repeats.astype(np.int64)
    order = np.argsort(key, kind="stable")
    start = np.flatnonzero(np.diff(key[order], prepend=-1))
    size = np.diff(start, append=key.size)
    for m in np.unique(size):
        yield order[start[size == m][:, None] + np.arange(m)]


def _block(
    item: Ints, repeat: Ints, first: Ints, code: Ints, top: Ints, confidence: Floats
) -> Block:
    """Columns of (rows, orders) cells -> a block."""
    lost = code >= STATUSES.index(LOST[0])
    return Block(item[:, 0], repeat[:, 0], top, (code > 0) & ~lost, lost, first, confidence)


def _side_by_side(block: Block, values: Floats) -> Block:
    """Responses that were shown alone, (rows, responses) values: the item's one showing."""
    lost = np.asarray(block.lost.any(axis=1, keepdims=True), bool)
    failed = np.asarray(block.failed.any(axis=1, keepdims=True) & ~lost, bool)
    best = values == np.max(values, axis=1, keepdims=True)
    top = (best.astype(np.int64) << block.slot).sum(axis=1, keepdims=True)
    none, nan = np.full_like(top, -1), np.full(top.shape, math.nan)
    return Block(block.item, block.repeat, top * ~(failed | lost), failed, lost, none, nan)


def _add_lists(
    lists: dict[int, list[Shown]], block: Block, values: Floats, many: list[bool]
) -> None:
    for item, of_item in zip(block.item.tolist(), values.tolist(), strict=True):
        if many[item]:
            lists[item].append(((), of_item))
