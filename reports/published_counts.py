"""Published counts scored again: the same verdicts under other rules, with intervals.

Where a paper says how often each judge was right in both orders, wrong in both, and named another
winner when the order changed, every rule's score follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bench.outcome import Rule, outcome
from bench.stats import cluster_wilson
from bench.stats.unpaired import unpaired_difference
from reports.published import Paper
from reports.readings import Floats

RULES: tuple[Rule, ...] = ("strict", "mean", "decisive")
ALL = "all"
"""Column of the published score of all pairs."""

_RIGHT, _WRONG = 1, 2  # top sets of a pair whose response 0 is the right one


def scores(counts: Mapping[str, Any], rule: Rule) -> Floats:
    """(n,) outcomes of one judge's pairs under a rule, NaN where the rule drops the pair."""
    rows = [
        *[(_RIGHT, _RIGHT)] * counts["right"],
        *[(_WRONG, _WRONG)] * counts["wrong"],
        *[(_RIGHT, _WRONG)] * counts["disagreement"],
    ]
    picks = np.array(rows, np.int64)
    n = len(rows)
    failed = np.zeros(picks.shape, bool)
    label, width = np.full(n, _RIGHT, np.int64), np.full(n, 2, np.int64)
    return outcome(picks, failed, label, width, rule, "wrong")


def rescored(paper: Paper) -> pd.DataFrame:
    """One row per judge and rule: the score with its Wilson interval, and its difference to the
    first judge of the file, unpaired, because which judge was right on which item is not known.
    A paper without counts: no rows."""
    judges: Mapping[str, Mapping[str, Any]] = paper.counts["judges"] if paper.counts else {}
    published = {f.judge: f.number / 100 for f in paper.figures if f.column == ALL}
    rows = []
    for rule in RULES if judges else ():
        reference = scores(next(iter(judges.values())), rule)
        for name, counts in judges.items():
            mine = scores(counts, rule)
            kept = mine[~np.isnan(mine)]
            e = cluster_wilson(kept, np.arange(kept.size))
            row = {"judge": name, "trained": counts["trained"], "rule": rule}
            row |= {"published": published[name] if rule == "strict" else np.nan}
            row |= {"n": kept.size, "score": e.estimate, "score_lo": e.lo, "score_hi": e.hi}
            rows.append(row | _against(kept, reference[~np.isnan(reference)]))
    return pd.DataFrame(rows)


def _against(mine: Floats, reference: Floats) -> dict[str, float]:
    found = unpaired_difference(
        (float(mine.sum()), float(reference.sum())), (mine.size, reference.size)
    )
    e = found.difference
    ends = {"difference": e.estimate, "difference_lo": e.lo, "difference_hi": e.hi, "p": found.p}
    return dict.fromkeys(ends, np.nan) if mine is reference else ends
