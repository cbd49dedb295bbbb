"""Two judges on the same items: the mean difference of their credits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats, Mean, checked, clustered_mean, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import NO_ERROR


@dataclass(frozen=True, slots=True)
class Shrunk:
    """`mean`: of the differences. `centre`, `variance`: of Bonett and Price's interval, whose half
    width is critical value times the root of `variance`, which is never 0."""

    mean: Mean
    centre: float
    variance: float


def shrunk_mean(d: Floats, groups: Clusters) -> Shrunk:
    """Mean of (n,) differences in [-1, 1], n >= 2, after two imagined items were added, one that
    each judge wins; n and both sums divided by the design effect."""
    mean = clustered_mean(d, groups)
    n = mean.n_eff + 2
    centre = mean.value * mean.n_eff / n
    square = (float(np.mean(d**2)) * mean.n_eff + 2) / n
    return Shrunk(mean, centre, (square - centre**2) / n)


def cluster_bonett_price(
    differences: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95, missing: int = 0
) -> Estimate:
    """Mean difference with the cluster-adjusted Bonett-Price interval.

    Bonett & Price 2012 is Wald's interval after two imagined items were added, one that each
    judge wins. With b and c items won, (b - c) and (b + c) are the sum and the sum of squares of
    d, so for d in {-1, 0, 1} the form below is theirs to the digit, and it holds as well for
    fractional d (half credits, means over annotators). Clusters: n, the sum and the sum of
    squares are divided by the design effect, and the critical value is that of t(G_eff - 1).
    `estimate` is the plain mean; the interval is drawn towards 0, and never has zero width.

    `differences`: (n,) credit of the first judge minus that of the second, in [-1, 1], one per
    item. `clusters`: (n,) prompt ids. `missing`: items that have no difference.

    Fewer than two items: insufficient. One cluster: no interval. Raises BenchError for a value
    that is NaN or outside [-1, 1], with its position.
    """
    d = checked(differences, -1, 1, "differences")
    groups = Clusters.of(clusters, d.size)
    method = "cluster-adjusted Bonett-Price"
    basis = Basis(method, level, d.size, groups.n_clusters, missing)
    critical = critical_value(level, groups.df if d.size else math.inf)
    if d.size < 2:
        return basis.undefined("insufficient", "fewer than two items")
    shrunk = shrunk_mean(d, groups)
    mean = shrunk.mean
    if groups.n_clusters == 1:
        return basis.undefined("one_cluster", "one prompt: its error is unknown", mean.value)
    return basis.estimate(
        mean.value,
        around(shrunk.centre, critical * math.sqrt(shrunk.variance), mean.value),
        se=mean.se,
        n_eff=mean.n_eff,
        df=groups.df,
        note=NO_ERROR if math.isnan(mean.se) else "",
    )


def around(centre: float, half: float, estimate: float) -> tuple[float, float]:
    """`centre` +- `half` within [-1, 1]; always holds the estimate, which the shrunk centre may
    leave outside at a low level or an extreme difference."""
    return max(-1.0, min(centre - half, estimate)), min(1.0, max(centre + half, estimate))
