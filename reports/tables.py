"""A ledger -> the tables of a run, as data frames.

`results`    per task, group and judge: scores, kappa, position, failures
`pairs`      per task and group: paired differences between two judges on the same items
`estimates`  every number of these two with its method, counts and status
`labels`     per task and group: how many items, prompts, votes; chance; human agreement and ceiling
`annotators` per task: agreement of every pair of annotators
`usage`      per judge: tokens, cost, speed (the only table that depends on the clock)
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from bench.ledger import Ledger
from bench.stats import (
    Clusters,
    Estimate,
    cluster_wilson,
    pooled_deff,
    share_of_ceiling,
    symmetrised_kappa,
)
from bench.types import JudgeCard
from reports.contrasts import contrasts_table
from reports.groups import Estimates, Group, Metric, groups_of
from reports.labels import annotators_table, labels_table, votes_on_pairs
from reports.readings import LOST, Bools, Floats, Ints, ItemTable, Readings, read
from reports.usage import usage_table

FAILURES = ("unparsed", "refused", "truncated", *LOST)


def build(ledger: Ledger) -> dict[str, pd.DataFrame]:
    """All tables, by name. Only the ledger is read."""
    table = ItemTable(ledger.items())
    groups = list(groups_of(table))
    estimates = Estimates(table, groups)
    cards = ledger.judges()
    readings = {card.name: read(ledger, card.name, table) for card in cards}
    scores = {name: reading.scores("mean") for name, reading in readings.items()}
    rows = []
    for card in cards:
        rows += _rows(groups, card, readings[card.name], list(scores.values()), estimates)
    order = {(g.task, g.scope, g.name): n for n, g in enumerate(groups)}
    rows.sort(key=lambda row: order[str(row["task"]), str(row["scope"]), str(row["group"])])
    results = pd.DataFrame(rows).astype({"parameters": "Int64"})
    return {
        "results": results,
        "pairs": contrasts_table(groups, scores, results, estimates),
        "estimates": pd.DataFrame(estimates.rows),
        "labels": labels_table(groups, table),
        "annotators": annotators_table(table),
        "usage": usage_table(ledger, cards),
    }


def _rows(
    groups: list[Group],
    card: JudgeCard,
    reading: Readings,
    everyone: list[Floats],
    estimates: Estimates,
) -> list[dict[str, object]]:
    """One row for every group that the judge was to judge. `everyone`: scores of all judges."""
    table, asked, lost = reading.table, reading.asked(), reading.lost_items()
    metrics = _metrics(card, reading, everyone)
    ends = {
        "mean_if_failures_wrong": np.nan_to_num(reading.scores("mean")),
        "mean_if_failures_right": np.where(lost, table.best_credit, reading.best_case()),
    }
    rows = []
    for group in groups:
        if not (asked & group.items).any():
            continue
        mine = asked & table.decided & group.items
        row: dict[str, object] = {
            "task": group.task,
            "scope": group.scope,
            "group": group.name,
            "judge": card.name,
            "kind": card.kind,
            "nature": _nature(card),
            "trained": card.trained,
            "parameters": card.parameters,
            "one_order": card.orders == "first",
            "n_items": int(mine.sum()),
            "n_prompts": len(np.unique(table.cluster[mine])),
            "n_missing": int((lost & mine).sum()),
        }
        for name, metric in metrics.items():
            row.update(_cells(name, estimates.make(group, card.name, name, metric)))
        bounds = {name: estimates.plain(group, end, asked) for name, end in ends.items()}
        rows.append({**row, **_failure_rates(group, reading), **bounds})
    return rows


def _nature(card: JudgeCard) -> str:
    """trained, prompted, or whatever kind it is. A recording of a named model that was not trained
    to judge was prompted."""
    if card.trained:
        return "trained"
    if card.kind == "prompted" or (card.kind == "replay" and card.model):
        return "prompted"
    return card.kind


def _cells(name: str, e: Estimate | None) -> dict[str, object]:
    if e is None:
        nan = math.nan
        return {name: nan, f"{name}_lo": nan, f"{name}_hi": nan, f"{name}_status": "not_applicable"}
    return {name: e.estimate, f"{name}_lo": e.lo, f"{name}_hi": e.hi, f"{name}_status": e.status}


def _metrics(card: JudgeCard, reading: Readings, everyone: list[Floats]) -> dict[str, Metric]:
    mean = reading.scores("mean")
    one_order = card.order_free or card.orders == "first"
    return {
        "mean": _score(mean, reading, everyone),
        # A recording of one order says nothing of what the other order would have brought.
        "strict": _score(reading.scores("strict"), reading, everyone, applies=card.orders == "all"),
        "kappa": _kappa(reading),
        "ceiling_share": _ceiling_share(mean, reading.table),
        "flip_rate": _share(*reading.flips(), reading.table, applies=not one_order),
        "first_slot": _share(*reading.first_slot(), reading.table, applies=not one_order),
    }


def _score(
    scores: Floats, reading: Readings, everyone: list[Floats], *, applies: bool = True
) -> Metric:
    table, lost = reading.table, reading.lost_items()

    def of(chosen: Bools) -> Estimate | None:
        if not applies or not (chosen & table.decided).any():
            return None
        kept = chosen & ~np.isnan(scores)
        missing = int((chosen & lost & table.decided).sum())
        clusters = Clusters.of(table.cluster[kept], int(kept.sum()))
        deff = 1.0
        if kept.any() and np.ptp(scores[kept]) == 0:  # it says nothing of it, the others may
            others = (other[kept] for other in everyone if not np.isnan(other[kept]).any())
            deff = pooled_deff(others, clusters)
        return cluster_wilson(scores[kept], clusters, missing=missing, deff=deff)

    return of


def _share(items: Ints, values: Floats, table: ItemTable, *, applies: bool) -> Metric:
    """Mean of values that belong to pairs. `items`: (n,) item index of each."""

    def of(chosen: Bools) -> Estimate | None:
        if not applies or not (chosen & table.pairs).any():
            return None
        kept = chosen[items]
        e = cluster_wilson(values[kept], table.cluster[items[kept]])
        return replace(e, n_items=len(np.unique(items[kept])))

    return of


def _kappa(reading: Readings) -> Metric:
    """Symmetrised kappa over every (valid showing of a pair, vote on it), content frame."""
    table = reading.table
    items, verdicts = reading.pair_verdicts()
    votes_of, votes = votes_on_pairs(table)
    # Join on the item; the votes are sorted by it.
    start = np.searchsorted(votes_of, items)
    count = np.searchsorted(votes_of, items, side="right") - start
    joined = np.repeat(np.arange(len(items)), count)
    vote = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count) + start[joined]
    judge, human, item = verdicts[joined], votes[vote], items[joined]

    def of(chosen: Bools) -> Estimate | None:
        if not (chosen & (table.pair_votes > 0)).any():
            return None
        kept = chosen[item]
        e = symmetrised_kappa(judge[kept], human[kept], table.cluster[item[kept]])
        return replace(e, n_items=len(np.unique(item[kept])))

    return of


def _ceiling_share(scores: Floats, table: ItemTable) -> Metric:
    def of(chosen: Bools) -> Estimate | None:
        kept = chosen & (table.pair_votes >= 2) & ~np.isnan(scores)
        if not kept.any():
            return None
        votes, first = table.pair_votes[kept], table.pair_votes_first[kept]
        return share_of_ceiling(scores[kept], votes, first, table.cluster[kept])

    return of


def _failure_rates(group: Group, reading: Readings) -> dict[str, object]:
    """Share of every failure status in the group's showings."""
    counts = dict.fromkeys(FAILURES, 0)
    total = 0
    for (item, status), n in reading.statuses.items():
        if group.items[item]:
            total += n
            if status in counts:
                counts[status] += n
    return {"n_showings": total, **{s: n / total for s, n in counts.items()}}
