"""How well each judge agrees with the labels: the rows of the leaderboard and of its domains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from bench.stats import (
    Clusters,
    Estimate,
    cluster_wilson,
    pooled_deff,
    share_of_ceiling,
    symmetrised_kappa,
)
from bench.types import JudgeCard
from reports.data import votes_on_pairs
from reports.groups import Block, Group, Made, cells
from reports.readings import FAILURES, Bools, Floats, Ints, Readings
from reports.study import Study, nature


def score_rows(study: Study) -> pd.DataFrame:
    """One row per group and judge, group by group: scores under the rules mean and strict, kappa,
    share of the human ceiling, failures and what they could have changed."""
    rows = [row for card in study.cards for row in _rows(study, card)]
    order = {(g.task, g.scope, g.name): n for n, g in enumerate(study.groups)}
    rows.sort(key=lambda row: order[str(row["task"]), str(row["scope"]), str(row["group"])])
    return pd.DataFrame(rows).astype({"parameters": "Int64"})


def _rows(study: Study, card: JudgeCard) -> list[dict[str, object]]:
    table, reading = study.table, study.readings[card.name]
    asked, lost = reading.asked(), reading.lost_items()
    metrics = _metrics(study, card)
    ends = {
        "mean_if_failures_wrong": np.nan_to_num(study.scores[card.name]),
        "mean_if_failures_right": np.where(lost, table.best_credit, reading.best_case()),
    }
    rows = []
    for group in study.groups:
        if not (asked & group.items).any():
            continue
        mine = asked & table.decided & group.items
        made = study.estimates.block(group, card.name, "scores", metrics)
        rows.append(
            {
                **group.key,
                "judge": card.name,
                "kind": card.kind,
                "nature": nature(card),
                "trained": card.trained,
                "parameters": card.parameters,
                "one_order": card.orders == "first",
                "n_items": int(mine.sum()),
                "n_prompts": len(np.unique(table.cluster[mine])),
                "n_missing": int((lost & mine).sum()),
                **cells(made),
                **_failure_rates(group, reading),
                **{n: study.estimates.plain(group, end, asked) for n, end in ends.items()},
            }
        )
    return rows


def _metrics(study: Study, card: JudgeCard) -> Block:
    reading = study.readings[card.name]
    mean = study.scores[card.name]
    everyone = list(study.scores.values())
    strict = reading.scores("strict")
    joined = _joined(reading)

    def of(chosen: Bools) -> Made:
        both = card.orders == "all"
        return {
            "mean": score(mean, reading, everyone, chosen),
            # A recording of one order says nothing of what the other order would have brought.
            "strict": score(strict, reading, everyone, chosen) if both else None,
            "kappa": _kappa(*joined, reading, chosen),
            "ceiling_share": _ceiling_share(mean, reading, chosen),
        }

    return of


def score(
    scores: Floats, reading: Readings, everyone: list[Floats], chosen: Bools
) -> Estimate | None:
    """Mean of the chosen items' (items,) scores. `everyone`: the scores of all judges, which lend
    a design effect where these do not vary."""
    table, lost = reading.table, reading.lost_items()
    if not (chosen & table.decided & reading.asked()).any():
        return None
    kept = chosen & ~np.isnan(scores)
    missing = int((chosen & lost & table.decided).sum())
    clusters = Clusters.of(table.cluster[kept], int(kept.sum()))
    deff = 1.0
    if kept.any() and np.ptp(scores[kept]) == 0:
        others = (other[kept] for other in everyone if not np.isnan(other[kept]).any())
        deff = pooled_deff(others, clusters)
    return cluster_wilson(scores[kept], clusters, missing=missing, deff=deff)


Joined = tuple[Ints, Ints, Ints]


def _joined(reading: Readings) -> Joined:
    """Every (valid showing of a pair, vote on it): verdicts, votes, item indices."""
    items, verdicts = reading.pair_verdicts()
    votes_of, votes = votes_on_pairs(reading.table)
    # Join on the item; the votes are sorted by it.
    start = np.searchsorted(votes_of, items)
    count = np.searchsorted(votes_of, items, side="right") - start
    of_showing = np.repeat(np.arange(len(items)), count)
    vote = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count) + start[of_showing]
    return verdicts[of_showing], votes[vote], items[of_showing]


def _kappa(
    judge: Ints, human: Ints, item: Ints, reading: Readings, chosen: Bools
) -> Estimate | None:
    """Symmetrised kappa over the joined rows of the chosen items, content frame."""
    table = reading.table
    if not (chosen & (table.pair_votes > 0)).any():
        return None
    kept = chosen[item]
    e = symmetrised_kappa(judge[kept], human[kept], table.cluster[item[kept]])
    return replace(e, n_items=len(np.unique(item[kept])))


def _ceiling_share(scores: Floats, reading: Readings, chosen: Bools) -> Estimate | None:
    table = reading.table
    kept = chosen & (table.pair_votes >= 2) & ~np.isnan(scores)
    if not kept.any():
        return None
    votes, first = table.pair_votes[kept], table.pair_votes_first[kept]
    return share_of_ceiling(scores[kept], votes, first, table.cluster[kept])


def _failure_rates(group: Group, reading: Readings) -> dict[str, object]:
    """Share of every failure status in the group's showings, and of verdicts on a part of what was
    shown (`cut`)."""
    counts = reading.statuses[group.items].sum(axis=0)
    total = int(counts.sum())
    cut = int(reading.cut[group.items].sum()) / total
    return {"n_showings": total, **dict(zip(FAILURES, counts[1:] / total, strict=True)), "cut": cut}
