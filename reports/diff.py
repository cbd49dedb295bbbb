"""Two runs beside each other: what changed on the items and judges that they share.

Items are the same where all of their content is, labels included; judges where their names are, or
else their identities. Only ledgers are read, so it does not matter what version made the tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd

from bench.ledger import Ledger
from bench.plan import Plan
from bench.stats import Clusters, Estimate, cluster_wilson, macro
from bench.stats.headline import detectable
from bench.stats.heterogeneity import two_sided_p
from bench.stats.multiplicity import holm
from bench.stats.paired import macro_bonett_price
from bench.types import JudgeCard, Usage
from reports.cost import costs
from reports.groups import cells
from reports.readings import FAILURES, STATUSES, Bools, Floats, Ints
from reports.study import INCOMPLETE, Study

ALPHA = 0.05
SIDES = ("score", "flip_rate", "failed", "usd_per_1000")
"""Of these there are two numbers, _1 and _2."""
COUNTS = ("n_verdicts", "n_changed", "n_new", "n_lost")
COLUMNS = ("task", "judge", "judge_2", "same_identity", "n_items", "n_prompts", *COUNTS)
METRICS = ("difference", *(f"{name}_{side}" for name in SIDES for side in (1, 2)))
_COST = [f.name for f in fields(Usage)].index("cost_usd")


@dataclass(frozen=True)
class Run:
    """One of the two, with the ledger still open."""

    name: str
    ledger: Ledger
    plan: Plan
    study: Study

    @classmethod
    def of(cls, name: str, ledger: Ledger) -> Run:
        """Read a ledger. Raises BenchError where its run was stopped before it began."""
        return cls(name, ledger, ledger.plan(), Study.of(ledger))

    @cached_property
    def index(self) -> dict[str, int]:
        """Item key -> index; of several items with one key the first."""
        keys = [item.key for item in self.study.table.items]
        return dict(zip(reversed(keys), reversed(range(len(keys))), strict=True))


@dataclass(frozen=True)
class Shared:
    """`items`: (2, n) indices of the shared items in both runs. `judges`: cards in both."""

    runs: tuple[Run, Run]
    items: Ints
    judges: list[tuple[JudgeCard, JudgeCard]]

    @classmethod
    def of(cls, one: Run, two: Run) -> Shared:
        """Match items by key, judges by name and then by identity."""
        both = [(i, two.index[key]) for key, i in one.index.items() if key in two.index]
        items = np.array(both, np.int64).reshape(-1, 2).T
        return cls((one, two), items, list(_matched(one.study.cards, two.study.cards)))


def _matched(ones: list[JudgeCard], twos: list[JudgeCard]) -> Iterator[tuple[JudgeCard, JudgeCard]]:
    names = {card.name: card for card in twos}
    taken = {card.name for card in ones} & names.keys()
    renamed = {card.identity: card for card in twos if card.name not in taken}
    for card in ones:
        other = names.get(card.name) or renamed.pop(card.identity, None)
        if other is not None:
            yield card, other


def diff_table(shared: Shared) -> pd.DataFrame:
    """One row per task and judge that both runs have showings of, on the shared items.

    `n_verdicts`: showings with a verdict in both, `n_changed` of them with another one; `n_new`,
    `n_lost`: with a verdict in the second run alone, in the first alone. `difference`: mean score,
    second less first, unweighted over domains. `p_holm`: over all rows in which a verdict changed,
    null judges left out.
    `mde`: difference that would have shown in four of five such samples. `found`: unchanged, more
    than noise, not more than noise, or why there is no test.
    """
    tasks = np.array(shared.runs[0].study.table.task)[shared.items[0]]
    rows = []
    for task in dict.fromkeys(tasks):
        for cards in shared.judges:
            rows += _row(shared, str(task), tasks == task, *cards)
    table = pd.DataFrame(
        rows, columns=[*COLUMNS, *cells(dict.fromkeys(METRICS)), "p", "p_holm", "mde", "found"]
    )
    tested = table.p.notna()
    table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"].to_numpy(float))
    more = tested & (table.p_holm < ALPHA)
    table.loc[tested, "found"] = np.where(more[tested], "more than noise", "not more than noise")
    return table.astype({"p_holm": float})


def _row(
    shared: Shared, task: str, chosen: Bools, one: JudgeCard, two: JudgeCard
) -> list[dict[str, object]]:
    items = shared.items[:, chosen]
    sides = [_Side(run, c, at) for run, c, at in zip(shared.runs, (one, two), items, strict=True)]
    if not all(side.asked for side in sides):
        return []
    counts = _changes(*sides)
    first, second = (side.scores for side in sides)
    known = ~np.isnan(first + second)
    table = shared.runs[0].study.table
    clusters, domains = table.cluster[items[0]], np.array(table.domain)[items[0]]
    arrays = clusters[known], domains[known]
    made: dict[str, Estimate | None] = {"difference": None}
    if known.any():
        made["difference"] = macro_bonett_price((second - first)[known], *arrays)
    for n, side in enumerate(sides, start=1):
        made[f"score_{n}"] = _mean(side.scores[known], *arrays) if known.any() else None
        made |= {f"{name}_{n}": e for name, e in side.behaviour(clusters).items()}
    p, mde, found = _tested(made["difference"], any(counts[1:]), sides)
    values = (task, one.name, two.name, one.identity == two.identity)
    head = (*values, int(known.sum()), len(np.unique(arrays[0])), *counts)
    return [
        {
            **dict(zip(COLUMNS, head, strict=True)),
            **cells({name: made.get(name) for name in METRICS}),
            **{"p": p, "p_holm": math.nan, "mde": mde, "found": found},
        }
    ]


class _Side:
    """One judge of one run on the shared items of a task. `at`: their indices there."""

    def __init__(self, run: Run, card: JudgeCard, at: Ints) -> None:
        self.run, self.card, self.at = run, card, at
        self.reading = run.study.readings[card.name]
        self.asked = bool(self.reading.asked()[at].any())
        self.scores: Floats = run.study.scores[card.name][at]
        self.place: Ints = np.full(len(run.study.table.items), -1)
        self.place[at] = np.arange(at.size)

    @property
    def lost(self) -> float:
        """Share of its showings without an answer."""
        return self.run.study.lost(self.card.name, self.place >= 0)

    def verdicts(self) -> tuple[Ints, Ints]:
        """Of every showing: (what was shown, as a number that both sides agree on; top set, -1
        without a verdict)."""
        keys, tops = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for block in self.reading.blocks:
            rows = np.flatnonzero(self.place[block.item] >= 0)
            orders = np.arange(block.top.shape[1])
            place = self.place[block.item[rows]] * _MOST + block.repeat[rows]
            keys.append((place[:, None] * _MOST + orders).ravel())
            none = block.failed[rows] | block.lost[rows]
            tops.append(np.where(none, -1, block.top[rows]).ravel())
        return np.concatenate(keys), np.concatenate(tops)

    def behaviour(self, clusters: Ints) -> dict[str, Estimate | None]:
        """Flips, failures, cost. `clusters`: (n,) of the shared items."""
        item, one, other = self.reading.in_slots()
        kept = (self.place[item] >= 0) & ~np.isnan(one) & ~np.isnan(other)
        kept &= not self.card.order_free
        flips = (one != -other)[kept].astype(float)
        counts = self.reading.statuses[self.at]
        total = counts.sum(axis=1)
        failed = counts[:, [STATUSES.index(s) for s in FAILURES]].sum(axis=1)[total > 0]
        share = failed / total[total > 0]
        return {
            "flip_rate": cluster_wilson(flips, clusters[self.place[item[kept]]])
            if kept.any()
            else None,
            "failed": cluster_wilson(share, clusters[total > 0]),
            "usd_per_1000": self._cost(),
        }

    def _cost(self) -> Estimate | None:
        usage = self.run.ledger.usage(self.card.name)
        rows = [(i, s, u[_COST]) for i, s, u in usage if self.place[i] >= 0]
        if not any(usd is not None for _, _, usd in rows):
            return None
        item, status, usd = zip(*rows, strict=True)
        arrays = np.array(item, np.int64), np.array(status, np.str_), np.array(usd, float)
        return costs(self.run.study, self.card, *arrays)["usd_per_1000"]


_MOST = 1 << 16  # repeats, and orders, that a number of a showing has room for


def _changes(one: _Side, two: _Side) -> tuple[int, int, int, int]:
    (keys, tops), (others, other_tops) = one.verdicts(), two.verdicts()
    _, here, there = np.intersect1d(keys, others, return_indices=True)
    a, b = tops[here], other_tops[there]
    both = (a >= 0) & (b >= 0)
    return (
        int(both.sum()),
        int((a != b)[both].sum()),
        int(((a < 0) & (b >= 0)).sum()),
        int(((a >= 0) & (b < 0)).sum()),
    )


def _mean(
    values: Floats, clusters: Ints, domains: np.ndarray[tuple[int], np.dtype[np.str_]]
) -> Estimate:
    """Unweighted mean over domains."""
    names = [str(name) for name in np.unique(domains)]
    parts = [
        cluster_wilson(
            values[domains == name],
            Clusters.of(clusters[domains == name], int((domains == name).sum())),
        )
        for name in names
    ]
    return macro(parts, names) if len(parts) > 1 else parts[0]


def _tested(e: Estimate | None, changed: bool, sides: list[_Side]) -> tuple[float, float, str]:
    """p, mde, and what is found so far."""
    if not changed:
        return math.nan, math.nan if e is None else detectable(e), "unchanged"
    if sides[0].card.kind == "null":
        return math.nan, math.nan if e is None else detectable(e), "not tested: a null judge"
    if e is None:
        return math.nan, math.nan, "not tested: no item with a score"
    if max(side.lost for side in sides) > INCOMPLETE:
        return math.nan, detectable(e), "not tested: incomplete"
    p = two_sided_p(e)
    return p, detectable(e), f"not tested: {e.note}" if math.isnan(p) else ""
