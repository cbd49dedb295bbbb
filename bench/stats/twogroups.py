"""Two groups of rows that may share prompts: the difference and the mean of their proportions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters, Floats, checked
from bench.stats.estimate import SMALL_CLUSTERS, Basis, Estimate
from bench.stats.intervals import cluster_wilson
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class TwoGroups:
    """`difference`: first less second. `mean`: of both, each counting half whatever its size."""

    first: Estimate
    second: Estimate
    difference: Estimate
    mean: Estimate


def two_groups(
    credit: ArrayLike,
    in_first: NDArray[np.bool_],
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
    smallest: int = 1,
) -> TwoGroups:
    """`credit`: (n,) in [0, 1]. `in_first`: (n,) rows of the first group; the others are the
    second. `clusters`: (n,) prompt ids. `missing`: rows that have no credit or no group.

    Each group has the cluster-adjusted Wilson interval. Those of difference and mean are made of
    both by MOVER (Zou & Donner 2008) with the clustered correlation r of the two proportions, so
    they have a width also at 0 and 1; the difference goes down to
    d - sqrt(l1^2 + u2^2 - 2 r l1 u2), l and u the groups' distances to their bounds. Below 20
    prompts r is believed only where it widens.

    A group of fewer than `smallest` rows: both are insufficient. One of a single prompt: no
    interval.
    """
    values = checked(credit, 0, 1, "credit")
    groups = Clusters.of(clusters, values.size)
    rows = np.asarray(in_first, bool)
    if rows.shape != values.shape:
        raise BenchError(f"{rows.size} rows in groups for {values.size} credits; as many expected")
    one, two = (cluster_wilson(values[r], groups.take(r), level=level) for r in (rows, ~rows))
    small = min(one.n_items, two.n_items) < smallest
    r = 0.0 if small else _correlation(values, rows, groups)

    def combined(name: str, sign: int, weight: float) -> Estimate:
        basis = Basis(f"{name}, MOVER", level, values.size, groups.n_clusters, missing)
        if small:
            told = f"{one.n_items} and {two.n_items} rows in the groups; {smallest} needed"
            return basis.undefined("insufficient", told)
        value = weight * (one.estimate + sign * two.estimate)
        bare = next((e for e in (one, two) if math.isnan(e.lo)), None)
        if bare is not None:
            return basis.undefined(bare.status, bare.note, value)
        few = groups.n_clusters < SMALL_CLUSTERS
        return basis.estimate(
            value,
            _mover(one, two, sign, weight, max(0.0, sign * r) if few else sign * r),
            se=weight * _joined(one.se, two.se, sign * r),
            n_eff=math.nan,
            df=min(one.df, two.df),
            status="ok_small" if "ok_small" in (one.status, two.status) else None,
        )

    return TwoGroups(one, two, combined("difference", -1, 1), combined("mean of groups", 1, 0.5))


def _mover(one: Estimate, two: Estimate, sign: int, weight: float, r: float) -> tuple[float, float]:
    """Bounds of weight (one + sign two), `r` the correlation of one and sign two."""
    value = weight * (one.estimate + sign * two.estimate)
    below, above = two.estimate - two.lo, two.hi - two.estimate
    if sign < 0:
        below, above = above, below
    down = _joined(one.estimate - one.lo, below, r)
    return value - weight * down, value + weight * _joined(one.hi - one.estimate, above, r)


def _joined(a: float, b: float, r: float) -> float:
    total = a**2 + b**2 + 2 * r * a * b
    return 0.0 if total < 0 else math.sqrt(total)  # below 0 by rounding alone; NaN stays


def _correlation(values: Floats, rows: NDArray[np.bool_], groups: Clusters) -> float:
    """Of the two groups' means, from the residuals summed per prompt; 0 where one is constant."""
    a, b = (groups.sums(np.where(r, values - values[r].mean(), 0)) for r in (rows, ~rows))
    norm = math.sqrt(float(np.sum(a**2)) * float(np.sum(b**2)))
    return float(a @ b) / norm if norm > 1e-12 else 0.0
