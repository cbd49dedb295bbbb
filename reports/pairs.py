"""Paired differences: two judges on the same items, each item minus itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from bench.stats import cluster_bonett_price
from bench.stats.headline import detectable
from bench.stats.paired import macro_bonett_price
from bench.stats.simultaneous import Comparison
from reports.groups import Group, Made, cells
from reports.ranking import Rankings
from reports.readings import Bools
from reports.study import INCOMPLETE, Study

COLUMNS = ("task", "scope", "group", "judge", "against", "why", "n_items", "n_prompts", "n_missing")
ADJUSTED = ("p", "p_adjusted", "p_stepdown", "all_lo", "all_hi", "mde")


def pairs_table(study: Study, scores: pd.DataFrame, found: Rankings) -> pd.DataFrame:
    """Differences of the mean score with cluster-adjusted Bonett-Price intervals, on the items
    that both judges have an outcome for; every two judges once, group by group (no subsets).

    `p`: of this pair alone; `p_adjusted`, `all_lo`, `all_hi`: for all pairs of the group at once,
    max-|t|; `p_stepdown`: Romano & Wolf; no p while a judge is incomplete. `mde`: difference that
    would have shown in four of five such samples. `scores`: the rows of `score_rows`.
    """
    here = dict(iter(scores.groupby(["task", "scope", "group"], sort=False)))
    rows = []
    for group in study.groups:
        key = (group.task, group.scope, group.name)
        if group.scope != "subset" and key in here:
            together = found[key].comparisons if key in found else {}
            rows += [_row(study, group, *pair, together) for pair in _contrasts(here[key])]
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells({"difference": None}), *ADJUSTED])


def _row(
    study: Study,
    group: Group,
    a: str,
    b: str,
    why: str,
    together: Mapping[tuple[str, str], Comparison],
) -> dict[str, object]:
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

    def over_domains(chosen: Bools) -> Made:
        here = chosen & asked
        kept = here & ~np.isnan(difference)
        arrays = difference[kept], table.cluster[kept], np.array(table.domain)[kept]
        return {"difference": macro_bonett_price(*arrays, missing=int((here & ~kept).sum()))}

    made = study.estimates.block(group, f"{a} - {b}", "difference", of, over_domains)
    e = made["difference"]
    counts = (0, 0, 0) if e is None else (e.n_items, e.n_clusters, e.n_missing)
    values = (*group.key.values(), a, b, why, *counts)
    adjusted = _adjusted(together, a, b, math.nan if e is None else detectable(e))
    if max(study.lost(a, group.items), study.lost(b, group.items)) > INCOMPLETE:
        adjusted |= dict.fromkeys(("p", "p_adjusted", "p_stepdown"), math.nan)
    return {**dict(zip(COLUMNS, values, strict=True)), **cells(made), **adjusted}


def _adjusted(
    together: Mapping[tuple[str, str], Comparison], a: str, b: str, mde: float
) -> dict[str, float]:
    """The pair among all pairs, a minus b."""
    found = together.get((a, b)) or together.get((b, a))
    values = [math.nan] * 5
    if found is not None:
        ends = found.difference.lo, found.difference.hi
        lo, hi = ends if (a, b) in together else (-ends[1], -ends[0])
        values = [found.p, found.p_adjusted, found.p_stepdown, lo, hi]
    return dict(zip(ADJUSTED, (*values, mde), strict=True))


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
