"""Paired differences: two judges on the same items, each item minus itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from bench.stats import Estimate, cluster_bonett_price
from reports.groups import Estimates, Group
from reports.readings import Bools, Floats

COLUMNS = (
    "task",
    "scope",
    "group",
    "judge",
    "against",
    "why",
    "difference",
    "lo",
    "hi",
    "status",
    "n_items",
    "n_prompts",
    "n_missing",
)


def contrasts_table(
    groups: list[Group],
    scores: Mapping[str, Floats],
    results: pd.DataFrame,
    estimates: Estimates,
) -> pd.DataFrame:
    """Differences of the mean score with cluster-adjusted Bonett-Price intervals, on the items
    that both judges have an outcome for. `scores`: (items,) by judge."""
    cluster, decided = estimates.table.cluster, estimates.table.decided
    here = dict(iter(results.groupby(["task", "scope", "group"], sort=False)))
    rows = []
    for group in groups:
        key = (group.task, group.scope, group.name)
        for a, b, why in _contrasts(here[key]) if key in here else ():
            difference = scores[a] - scores[b]

            def of(chosen: Bools, d: Floats = difference) -> Estimate | None:
                kept = chosen & ~np.isnan(d)
                missing = int((chosen & decided & ~kept).sum())
                if not kept.any():
                    return None
                return cluster_bonett_price(d[kept], cluster[kept], missing=missing)

            e = estimates.make(group, f"{a} - {b}", "difference", of)
            if e is not None:
                values = (e.estimate, e.lo, e.hi, e.status, e.n_items, e.n_clusters, e.n_missing)
                rows.append((*key, a, b, why, *values))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _contrasts(here: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """(judge, other judge, why) among the rows of one group: every judge against the null judge
    that does best there, and every trained judge against every prompted one."""
    nulls, judges = here[here.kind == "null"], here[here.kind != "null"]
    if nulls["mean"].notna().any():
        best = str(nulls.judge.iloc[int(nulls["mean"].argmax())])
        yield from ((name, best, "best null judge") for name in judges.judge)
    for small in judges[judges.nature == "trained"].judge:
        for large in judges[judges.nature == "prompted"].judge:
            yield small, large, "trained against prompted"
