"""What the order shown does to each judge, on pairs shown in both orders and on longer lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from bench.stats import Estimate
from bench.stats.position import Position, accuracy_cost, position
from bench.stats.repeats import excess_flip
from bench.stats.slots import slot_shares
from reports.groups import Group, Made, cells
from reports.readings import Bools, Floats, Ints, Readings
from reports.study import Study

METRICS = (
    "flip_rate",
    "hard_flip",
    "decisive_consistency",
    "ties",
    "first_slot",
    "fairness",
    "primacy_share",
    "strictness",
    "right_first",
    "excess_flip",
)
PATTERNS = tuple(x + y for x in "FTS" for y in "FTS")
COLUMNS = ("task", "scope", "group", "judge", "n_pairs", "n_prompts", "n_unparsed")
BOUNDS = ("flip_rate_if_best", "flip_rate_if_worst")


def position_table(study: Study) -> pd.DataFrame:
    """One row per judge that was shown pairs in both orders, and group: all of a task's pairs alike
    (pooled), and each domain.

    `flip_rate`: pairs whose verdict changes with the order, and between which ends it lies if the
    failed pairs are consistent, or not; `hard_flip`: that name the same slot twice. `first_slot`:
    share of verdicts for what is shown first, ties 1/2. `excess_flip`: flips less the disagreement
    of repeats in one order, where there are repeats. `right_first`: accuracy with the right
    response first less that with it second; `strictness`: mean less strict score. Others and the
    patterns (first verdict, then the swapped one) as in `bench.stats.position`. `sign_p`: primacy
    against recency.
    """
    rows = []
    for card in study.cards:
        reading = study.readings[card.name]
        item, first, swapped = reading.in_slots()
        if item.size and not card.order_free:
            for group in study.groups:
                rows += _row(study, group, reading, item, first, swapped)
    return pd.DataFrame(
        rows, columns=[*COLUMNS, *cells(dict.fromkeys(METRICS)), "sign_p", *BOUNDS, *PATTERNS]
    )


def _row(
    study: Study, group: Group, reading: Readings, item: Ints, first: Floats, swapped: Floats
) -> list[dict[str, object]]:
    chosen = group.items[item]
    if group.scope not in ("pooled", "domain") or not chosen.any():
        return []
    items, a, b = item[chosen], first[chosen], swapped[chosen]
    clusters = study.table.cluster[items]
    found = position(a, b, clusters)

    def of(_: Bools) -> Made:
        return _metrics(study, found, items, a, b)

    made = study.estimates.block(group, reading.judge, "position", of)
    failed = np.isnan(a) | np.isnan(b)
    counts = (len(items), len(np.unique(clusters)), int(failed.sum()))
    head = zip(COLUMNS, (*group.key.values(), reading.judge, *counts), strict=True)
    worst, best = found.consistency_bounds
    ends = {"sign_p": found.sign_p, BOUNDS[0]: 1 - best, BOUNDS[1]: 1 - worst}
    return [{**dict(head), **cells(made), **ends, **found.patterns}]


def _metrics(study: Study, found: Position, item: Ints, first: Floats, swapped: Floats) -> Made:
    table = study.table
    clusters = table.cluster[item]
    human = np.sign(table.preference[item] - 0.5)
    labelled = np.isfinite(human) & (human != 0)
    cost = accuracy_cost(first, swapped, human, clusters) if labelled.any() else None
    return {
        "flip_rate": found.flip,
        "hard_flip": found.hard_flip,
        "decisive_consistency": found.decisive_consistency,
        "ties": found.ties,
        "first_slot": _share(found.signed_bias),
        "fairness": found.fairness,
        "primacy_share": found.primacy_share,
        "strictness": cost.strictness if cost else None,
        "right_first": cost.slot if cost else None,
        "excess_flip": _excess(item, first, swapped, table.cluster),
    }


def _share(bias: Estimate) -> Estimate:
    """A share less 1/2 as the share."""
    return replace(bias, estimate=bias.estimate + 0.5, lo=bias.lo + 0.5, hi=bias.hi + 0.5)


def _excess(item: Ints, first: Floats, swapped: Floats, cluster: Ints) -> Estimate | None:
    """None without repeats. Rows of one item are its repeats."""
    items, row, repeats = np.unique(item, return_inverse=True, return_counts=True)
    if repeats.max(initial=0) < 2:
        return None
    order = np.argsort(row, kind="stable")
    column = np.arange(len(item)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    grids = np.full((2, len(items), repeats.max()), np.nan)
    for grid, said in zip(grids, (first, swapped), strict=True):
        grid[row[order], column] = said[order]
    return excess_flip(grids[0], grids[1], cluster[items]).excess


SLOTS = ("task", "judge", "n_responses", "slot", "n_showings", "n_prompts", "chi2", "df", "p")


def slots_table(study: Study) -> pd.DataFrame:
    """Lists of three and more: the share of picks that every slot got, one row per slot, for lists
    of each length, and a test that all slots get as many."""
    rows = [
        row
        for card in study.cards
        if not card.order_free and card.orders == "all"
        for row in _slot_rows(study, study.readings[card.name])
    ]
    return pd.DataFrame(rows, columns=[*SLOTS, *cells({"share": None})])


def _slot_rows(study: Study, reading: Readings) -> Iterator[dict[str, object]]:
    table = study.table
    picks: dict[tuple[str, int], list[tuple[int, Floats]]] = {}
    for item, showings in reading.lists.items():
        for order, utilities in showings:
            if order:
                shown = np.array(utilities)[list(order)]
                top = np.where(np.isnan(shown).any(), np.nan, shown == shown.max())
                key = (table.task[item], len(order))
                picks.setdefault(key, []).append((item, top / top.sum()))
    for (task, k), got in sorted(picks.items()):
        clusters = table.cluster[np.array([item for item, _ in got])]
        found = slot_shares(np.array([top for _, top in got]), clusters)
        test = (found.chi2, found.df, found.p)
        for slot, e in enumerate(found.shares):
            at = {"task": task, "scope": "lists", "group": f"{k} responses"}
            study.estimates.keep(at, reading.judge, {f"slot_{slot + 1}": e})
            values = (task, reading.judge, k, slot + 1, e.n_items, e.n_clusters, *test)
            yield {**dict(zip(SLOTS, values, strict=True)), **cells({"share": e})}
