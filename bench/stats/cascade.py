"""A cheap judge that hands its doubtful verdicts to an expensive one.

The cheap judge always runs; where its confidence is below the threshold the expensive one runs too,
and its verdict counts. `confidence`: (n,) of the cheap judge. `cheap`, `strong`: (n,) credits of
both judges on the same items, in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats, checked
from bench.stats.estimate import Estimate
from bench.stats.intervals import cluster_wilson, clustered_t
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class CascadePoint:
    """`deferral`: share of items that the expensive judge gets. `cost`: per item, in the unit that
    the prices have. `random`: accuracy when as many items are handed over at random; `oracle`:
    when those are that gain most. Both judges' own points lie at deferral 0 and 1."""

    threshold: float
    deferral: float
    cost: float
    accuracy: Estimate
    random: float
    oracle: float


@dataclass(frozen=True, slots=True)
class Cascade:
    """`gain`: area between the accuracy of the cascade and that of random routing, over deferral
    rates 0 to 1; above 0 the confidence finds what the other judge does better. `oracle_gain`: of
    routing by the gain itself, the most there could be."""

    points: tuple[CascadePoint, ...]
    gain: Estimate
    oracle_gain: float


def cascade(
    confidence: ArrayLike,
    cheap: ArrayLike,
    strong: ArrayLike,
    clusters: Clusters | ArrayLike,
    thresholds: Sequence[float],
    *,
    cheap_cost: float,
    strong_cost: float,
    level: float = 0.95,
) -> Cascade:
    """Accuracy and cost at each threshold, and the area gained over random routing.

    A threshold that was chosen on these rows flatters: take `deferral_threshold` of others. The
    accuracy has the cluster-adjusted Wilson interval; the area that of t(G_eff - 1) with the CR1
    error of its influence function. Equal confidences are handed over in expected order.
    """
    c = checked(confidence, 0, 1, "confidence")
    a, b = checked(cheap, 0, 1, "cheap"), checked(strong, 0, 1, "strong")
    if not c.size == a.size == b.size:
        raise BenchError(f"{c.size} confidences, {a.size} and {b.size} credits; one each expected")
    checked([cheap_cost, strong_cost], 0, math.inf, "cost of the cheap and the strong judge")
    groups = Clusters.of(clusters, c.size)
    best = np.append(0.0, np.cumsum(np.sort(b - a)[::-1]))
    points = []
    for t in checked(thresholds, -math.inf, math.inf, "thresholds"):
        deferred = c < t
        k, share = int(deferred.sum()), float(deferred.mean()) if c.size else math.nan
        points.append(
            CascadePoint(
                float(t),
                share,
                cheap_cost + share * strong_cost,
                cluster_wilson(np.where(deferred, b, a), groups, level=level),
                _mean(a) + share * _mean(b - a),
                _mean(a) + float(best[k]) / c.size if c.size else math.nan,
            )
        )
    gain = _gain(c, b - a, groups, level)
    oracle = _gain(a - b, b - a, groups, level).estimate
    return Cascade(tuple(points), gain, oracle)


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan


def _gain(confidence: Floats, gain: Floats, groups: Clusters, level: float) -> Estimate:
    """Area over random routing: mean of gain * (1/2 - F), F the share of items with less
    confidence, half of the ties. (n,) `gain`: credit that handing the item over adds."""
    from scipy.stats import rankdata

    n = gain.size
    name = "area over random routing"
    if n == 0:
        return clustered_t(gain, groups, name, level=level, bounds=(-0.5, 0.5))
    own = gain * (0.5 - (rankdata(confidence) - 0.5) / n)
    # A row also moves the ranks of all above it, whose gain then comes later.
    _, codes, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    per_value = np.bincount(codes, weights=gain, minlength=counts.size) / n
    above = np.cumsum(per_value[::-1])[::-1] - per_value / 2
    influence = own - above[codes]
    centred = own.mean() + influence - influence.mean()
    return clustered_t(centred, groups, name, level=level, bounds=(-0.5, 0.5))


def deferral_threshold(confidence: ArrayLike, rate: float) -> float:
    """The greatest threshold that hands over no more than a share `rate` of these rows; those of
    equal confidence go together. Infinite where it may be all of them. At least one row."""
    c = np.sort(checked(confidence, 0, 1, "confidence"))
    if not 0 <= rate <= 1 or c.size == 0:
        raise BenchError(
            f"{c.size} confidences and a rate of {rate}; at least one and from 0 to 1 expected"
        )
    k = math.floor(rate * c.size + 1e-9)
    return float(c[k]) if k < c.size else math.inf
