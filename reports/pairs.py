"""Paired differences: two judges on the same items, each item minus itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd

from bench.stats import cluster_bonett_price
from reports.groups import Group, Made, cells
from reports.readings import Bools
from reports.study import Study

COLUMNS = ("task", "scope", "group", "judge", "against", "why", "n_items", "n_prompts", "n_missing")


def pairs_table(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Differences of the mean score with cluster-adjusted Bonett-Price intervals, on the items
    that both judges have an outcome for; every two judges once, group by group (no subsets).
    `scores`: the rows of `score_rows`."""
    here = dict(iter(scores.groupby(["task", "scope", "group"], sort=False)))
    rows = []
    for group in study.groups:
        key = (group.task, group.scope, group.name)
        if group.scope != "subset" and key in here:
            rows += [_row(study, group, *pair) for pair in _contrasts(here[key])]
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells({"difference": None})])


def _row(study: Study, group: Group, a: str, b: str, why: str) -> dict[str, object]:
    table = study.table
    difference = study.scores[a] - study.scores[b]
    asked = study.readings[a].asked() & study.readings[b].asked() & table.decided

    def of(chosen: Bools) -> Made:
        here = chosen & asked
        kept = here & ~np.isnan(difference)
        if not here.any():
            return {"difference": None}
        missing = int((here & ~kept).sum())
        e = cluster_bonett_price(difference[kept], table.cluster[kept], missing=missing)
        return {"difference": e}

    made = study.estimates.block(group, f"{a} - {b}", "difference", of)
    e = made["difference"]
    counts = (0, 0, 0) if e is None else (e.n_items, e.n_clusters, e.n_missing)
    values = (*group.key.values(), a, b, why, *counts)
    return {**dict(zip(COLUMNS, values, strict=True)), **cells(made)}


def _contrasts(here: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """(judge, other judge, why) among the rows of one group, every two judges once. Every judge
    against the null judge that does best there; every trained judge against every prompted one;
    what is left, the better of the two first."""
    ranked = here.sort_values("mean", ascending=False, kind="stable")
    nature, kind = ranked.set_index("judge").nature, ranked.set_index("judge").kind
    nulls = ranked[(ranked.kind == "null") & ranked["mean"].notna()].judge
    best = None if nulls.empty else str(nulls.iloc[0])
    for a, b in itertools.combinations(ranked.judge, 2):
        if best in (a, b) and kind[a] != kind[b]:
            yield (b, a, "best null judge") if a == best else (a, b, "best null judge")
        elif {nature[a], nature[b]} == {"trained", "prompted"}:
            small, large = (a, b) if nature[a] == "trained" else (b, a)
            yield small, large, "trained against prompted"
        else:
            yield a, b, ""
