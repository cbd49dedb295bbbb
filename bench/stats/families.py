"""Two families of judges on the same items: what holds for these judges, and what for their like.

With the judges given, only the items are a sample. A sentence about small trained judges in general
takes the judges for a sample too, and with three to five of them a side its interval is wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.heterogeneity import working_variance
from bench.stats.paired import cluster_bonett_price, macro_bonett_price
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class Families:
    """`these`: mean of the first family minus mean of the second, the items being random.
    `judges_like_these`: the same number, the judges being random as well. `spread_first`,
    `spread_second`: standard deviation of the judges' means; NaN for one judge."""

    these: Estimate
    judges_like_these: Estimate
    spread_first: float
    spread_second: float


def families(
    first: ArrayLike,
    second: ArrayLike,
    clusters: Clusters | ArrayLike,
    domains: ArrayLike | None = None,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Families:
    """`first`: (n, J) credits of J judges, `second`: (n, K) of K others on the same items, in
    [0, 1]. `clusters`: (n,) prompt ids. `domains`: (n,) names; with them every mean is the
    unweighted mean over domains. `missing`: items that lack a credit.

    These judges: `macro_bonett_price` of the differences of family means. Judges like these:
    variance V + s1^2 / J + s2^2 / K, with V that of the former and s the standard deviation of
    judges' means, and t with Satterthwaite's degrees of freedom (Welch 1947). V and s both hold the
    chance of which items met which judge, so the interval is rather too wide than too narrow. One
    judge in a family: no such interval.

    Raises BenchError for a credit that is NaN or outside [0, 1], or families of different items.
    """
    sides = [_credits(first, "first"), _credits(second, "second")]
    n = len(sides[0])
    if len(sides[1]) != n:
        raise BenchError(f"{n} items of the first family, {len(sides[1])} of the second")
    names = np.zeros(n, np.str_) if domains is None else np.asarray(domains, dtype=np.str_)
    if names.shape != (n,):
        raise BenchError(f"{names.size} domains for {n} items; one each expected")
    groups = Clusters.of(clusters, n)
    parts = [names == name for name in np.unique(names)]
    contrast = sides[0].mean(axis=1) - sides[1].mean(axis=1)
    found = [cluster_bonett_price(contrast[r], groups.take(r), level=level) for r in parts]
    these = macro_bonett_price(contrast, groups, names, level=level, missing=missing)
    means = [np.mean([side[r].mean(axis=0) for r in parts], axis=0) for side in sides] if n else []
    spreads = [float(m.std(ddof=1)) if m.size > 1 else math.nan for m in means] or [math.nan] * 2
    variances = [s**2 / side.shape[1] for s, side in zip(spreads, sides, strict=True)]
    degrees = [side.shape[1] - 1 for side in sides]
    like = _judges_like_these(these, found, variances, degrees)
    return Families(these, like, *spreads)


def _credits(values: ArrayLike, what: str) -> Floats:
    """(n, J) credits, checked."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0:
        raise BenchError(
            f"{what} has shape {table.shape}; items by judges expected, at least one judge"
        )
    for j in range(table.shape[1]):
        checked(table[:, j], 0, 1, f"judge {j} of {what}")
    return table


def _judges_like_these(
    these: Estimate, found: list[Estimate], variances: list[float], degrees: list[int]
) -> Estimate:
    basis = Basis(
        f"judges random, Welch ({these.method})",
        these.level,
        these.n_items,
        these.n_clusters,
        these.n_missing,
    )
    if math.isnan(these.lo):
        return basis.undefined(these.status, these.note, these.estimate)
    if min(degrees) < 1:
        return basis.undefined("insufficient", "one judge in a family", these.estimate)
    items = [(working_variance(e) / len(found) ** 2, e.df) for e in found]
    terms = [*items, *zip(variances, degrees, strict=True)]
    total = math.fsum(v for v, _ in terms)
    df = total**2 / math.fsum(v**2 / k for v, k in terms)
    se = math.sqrt(total)
    half = critical_value(these.level, df) * se
    value = these.estimate
    return basis.estimate(
        value,
        # More is unknown than with the judges given, so the interval is never the narrower one.
        (max(-1.0, min(value - half, these.lo)), min(1.0, max(value + half, these.hi))),
        se=se,
        n_eff=math.nan,
        df=df,
        status="ok_small" if min(degrees) < 4 else None,
        note=f"{degrees[0] + 1} and {degrees[1] + 1} judges",
    )
