"""Position bias: what the order shown does to the verdicts on pairs that were shown both ways.

Verdicts are in the slot frame: +1 what was shown first was picked (F), 0 tie (T), -1 what was shown
second (S), NaN or None no verdict. `first`: (n,) with the responses in their own order, `swapped`:
(n,) with them exchanged. A consistent judge says FS, SF or TT; FF, FT, TF lean to the first slot
(primacy), SS, ST, TS to the second (recency).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters, Floats
from bench.stats.combine import failure_bounds
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.paired import cluster_bonett_price
from bench.stats.verdicts import complete, verdicts

_LETTERS = {1: "F", 0: "T", -1: "S"}


@dataclass(frozen=True, slots=True)
class Position:
    """Over the pairs with a verdict in both orders; the others are in `n_missing`.

    `patterns`: pairs by the verdicts of both orders, as "FS". `consistency`: share of pairs with
    the same verdict both ways (PC), and in `consistency_bounds` if every pair without a verdict
    were inconsistent, and consistent. `decisive_consistency`: over the pairs without a tie;
    a judge that ties often is consistent at no cost, so read `ties`, the share of verdicts that
    are ties, beside both. `flip`: 1 - PC, the total bias of JudgeLM. `hard_flip`: share of FF and
    SS.

    `fairness`: (recency - primacy) / n, in [-1, 1], 0 fair, above 0 recency: the PF of Shi et al.
    2024, whose (rec irr - prim ipr) / n is that, as irr and ipr are the two shares of the
    inconsistent pairs. JudgeLM's delta bias is its size. `signed_bias`: share of verdicts for the
    first slot, ties 1/2, less 1/2. `first_share`: of the verdicts that are no ties.
    `primacy_share`: of the inconsistent pairs, NaN where there are none. `log_odds`: of FF against
    SS with 1/2 added to both (Haldane, Anscombe), interval that of Wilson for the share of FF.
    `sign_p`: exact two-sided sign test of primacy against recency; a prompt counts once, by what
    most of its inconsistent pairs say.
    """

    patterns: dict[str, int]
    consistency: Estimate
    consistency_bounds: tuple[float, float]
    decisive_consistency: Estimate
    ties: Estimate
    flip: Estimate
    hard_flip: Estimate
    fairness: Estimate
    signed_bias: Estimate
    first_share: Estimate
    primacy_share: Estimate
    log_odds: Estimate
    sign_p: float


def position(
    first: ArrayLike, swapped: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> Position:
    """`clusters`: (n,) prompt ids. Shares have the cluster-adjusted Wilson interval, `fairness` and
    `signed_bias` that of Bonett and Price, which have a width also where no pair is inconsistent.
    Raises BenchError for a value that is no verdict, with its position."""
    a, b = verdicts(first, "first"), verdicts(swapped, "swapped")
    both = complete(first=a, swapped=b)
    groups = Clusters.of(clusters, a.size).take(both)
    failed = int(np.sum(~both))
    a, b = a[both], b[both]
    same, decisive, lean = a == -b, a * b != 0, np.sign(a + b)

    def share(values: NDArray[np.generic], of: NDArray[np.bool_] | None = None) -> Estimate:
        """Of the pairs `of`, or of all; then what failed is missing."""
        if of is None:
            return cluster_wilson(values.astype(float), groups, level=level, missing=failed)
        return cluster_wilson(values[of].astype(float), groups.take(of), level=level)

    def mean(values: Floats) -> Estimate:
        return cluster_bonett_price(values, groups, level=level, missing=failed)

    said, its_groups = np.append(a, b), Clusters.of(np.tile(groups.codes, 2), 2 * a.size)
    hard = a * b == 1
    return Position(
        patterns={
            x + y: int(np.sum((a == i) & (b == j)))
            for i, x in _LETTERS.items()
            for j, y in _LETTERS.items()
        },
        consistency=share(same),
        consistency_bounds=failure_bounds(float(same.sum()), a.size, failed),
        decisive_consistency=share(same, decisive),
        ties=share(((a == 0) * 1.0 + (b == 0)) / 2),
        flip=share(~same),
        hard_flip=share(hard),
        fairness=mean(-lean),
        signed_bias=_halved(mean((a + b) / 2)),
        first_share=cluster_wilson(said[said != 0] > 0, its_groups.take(said != 0), level=level),
        primacy_share=share(lean > 0, ~same),
        log_odds=_log_odds(share(a > 0, hard)),
        sign_p=_sign_test(groups.sums(lean)),
    )


def _halved(e: Estimate) -> Estimate:
    return replace(e, estimate=e.estimate / 2, lo=e.lo / 2, hi=e.hi / 2, se=e.se / 2)


def _log_odds(share: Estimate) -> Estimate:
    """Share of FF among FF and SS -> log odds."""
    basis = Basis(
        "log odds of cluster-adjusted Wilson", share.level, share.n_items, share.n_clusters
    )
    if not share.n_items:
        return basis.undefined("insufficient", "no pair with the same slot both ways")
    right = share.estimate * share.n_items
    value = math.log((right + 0.5) / (share.n_items - right + 0.5))
    if math.isnan(share.lo):
        return basis.undefined(share.status, share.note, value)
    with np.errstate(divide="ignore"):
        lo, hi = (float(np.log(p) - np.log1p(-p)) for p in (share.lo, share.hi))
    return basis.estimate(
        value,
        (min(lo, value), max(hi, value)),
        se=math.nan,
        n_eff=share.n_eff,
        df=share.df,
        status=share.status,
    )


def _sign_test(leaning: Floats) -> float:
    """Exact p of as many above 0 as below; 1 where all are 0, NaN where there are none."""
    from scipy.stats import binomtest

    up, down = int(np.sum(leaning > 0)), int(np.sum(leaning < 0))
    if up + down == 0:
        return 1.0 if leaning.size else math.nan
    return float(binomtest(up, up + down).pvalue)


@dataclass(frozen=True, slots=True)
class AccuracyCost:
    """`strictness`: accuracy of the mean of both orders less that of being right in both, a tie
    1/2 in the one and wrong in the other. `slot`: accuracy with the right response shown first
    less that with it shown second."""

    strictness: Estimate
    slot: Estimate


def accuracy_cost(
    first: ArrayLike,
    swapped: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
) -> AccuracyCost:
    """`human`: (n,) label in content coordinates: +1 for the response that `first` shows first, -1
    for the other. Pairs where it is a tie, and those without a verdict in both orders or without
    a label, are left out and count as missing."""
    a, b, h = verdicts(first, "first"), verdicts(swapped, "swapped"), verdicts(human, "human")
    rows = complete(first=a, swapped=b, human=h) & (h != 0)
    groups = Clusters.of(clusters, h.size).take(rows)
    h = h[rows]
    own, exchanged = (1 + a[rows] * h) / 2, (1 - b[rows] * h) / 2
    strict = (own + exchanged == 2).astype(float)
    shown_first = np.where(h > 0, own - exchanged, exchanged - own)

    def mean(values: Floats) -> Estimate:
        return cluster_bonett_price(values, groups, level=level, missing=int(np.sum(~rows)))

    return AccuracyCost(mean((own + exchanged) / 2 - strict), mean(shown_first))
