"""Two judges on the same items: the mean difference of their credits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats, checked, clustered_mean, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import NO_ERROR


@dataclass(frozen=True, slots=True)
class Shrunk:
    """`value`: mean of the differences; `se`, `n_eff`: of it. `centre`, `variance`: of Bonett and
    Price's interval, whose half width is the critical value of t(`df`) times the root of
    `variance`, which is never 0."""

    value: float
    se: float
    n_eff: float
    centre: float
    variance: float
    df: float

    def interval(self, critical: float) -> tuple[float, float]:
        """See `around`."""
        return around(self.centre, critical * math.sqrt(self.variance), self.value)


def shrunk_mean(d: Floats, groups: Clusters) -> Shrunk:
    """Mean of (n,) differences in [-1, 1], n >= 2, after two imagined items were added, one that
    each judge wins; n and both sums divided by the design effect."""
    mean = clustered_mean(d, groups)
    n = mean.n_eff + 2
    centre = mean.value * mean.n_eff / n
    square = (float(np.mean(d**2)) * mean.n_eff + 2) / n
    variance = (square - centre**2) / n
    return Shrunk(mean.value, mean.se, mean.n_eff, centre, variance, groups.df)


def shrunk_macro(parts: Sequence[Shrunk]) -> Shrunk:
    """Unweighted mean over independent domains: means of values and centres, sum of variances, and
    Satterthwaite's degrees of freedom (1946)."""
    k = len(parts)
    total = math.fsum(s.variance for s in parts)
    return Shrunk(
        value=math.fsum(s.value for s in parts) / k,
        se=math.hypot(*(s.se for s in parts)) / k,
        n_eff=math.nan if k > 1 else parts[0].n_eff,
        centre=math.fsum(s.centre for s in parts) / k,
        variance=total / k**2,
        df=total**2 / math.fsum(s.variance**2 / s.df for s in parts),
    )


def cluster_bonett_price(
    differences: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95, missing: int = 0
) -> Estimate:
    """Mean difference with the cluster-adjusted Bonett-Price interval.

    Bonett & Price 2012 is Wald's interval after two imagined items were added, one that each
    judge wins. With b and c items won, (b - c) and (b + c) are the sum and the sum of squares of
    d, so for d in {-1, 0, 1} the form is theirs, and it holds as well for fractional d (half
    credits, means over annotators). Clusters: n, the sum and the sum of squares are divided by
    the design effect, and the critical value is that of t(G_eff - 1).
    `estimate` is the plain mean; the interval is drawn towards 0, and never has zero width.

    `differences`: (n,) credit of the first judge minus that of the second, in [-1, 1], one per
    item. `clusters`: (n,) prompt ids. `missing`: items that have no difference.

    Fewer than two items: insufficient. One cluster: no interval. Raises BenchError for a value
    that is NaN or outside [-1, 1], with its position.
    """
    d = checked(differences, -1, 1, "differences")
    groups = Clusters.of(clusters, d.size)
    method = "cluster-adjusted Bonett-Price"
    return _estimate([(d, groups)], Basis(method, level, d.size, groups.n_clusters, missing))


def macro_bonett_price(
    differences: ArrayLike,
    clusters: Clusters | ArrayLike,
    domains: ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """The same for the unweighted mean over domains, which count as independent: `shrunk_macro`.

    `domains`: (n,) names. A domain with fewer than two items, or with one cluster, leaves none.
    """
    d = checked(differences, -1, 1, "differences")
    groups, names = Clusters.of(clusters, d.size), Clusters.of(domains, d.size)
    rows = [names.codes == k for k in range(names.n_clusters)]
    method = "cluster-adjusted Bonett-Price"
    method = method if len(rows) < 2 else f"macro mean of {len(rows)} domains, {method}"
    basis = Basis(method, level, d.size, groups.n_clusters, missing)
    return _estimate([(d[r], groups.take(r)) for r in rows] or [(d, groups)], basis)


def _estimate(parts: Sequence[tuple[Floats, Clusters]], basis: Basis) -> Estimate:
    critical_value(basis.level)  # a bad level is told also where there is nothing to estimate
    if min(d.size for d, _ in parts) < 2:
        where = " in a domain" if len(parts) > 1 else ""
        return basis.undefined("insufficient", f"fewer than two items{where}")
    shrunk = shrunk_macro([shrunk_mean(d, groups) for d, groups in parts])
    if min(groups.n_clusters for _, groups in parts) == 1:
        where = " in a domain" if len(parts) > 1 else ""
        note = f"one prompt{where}: its error is unknown"
        return basis.undefined("one_cluster", note, shrunk.value)
    return basis.estimate(
        shrunk.value,
        shrunk.interval(critical_value(basis.level, shrunk.df)),
        se=shrunk.se,
        n_eff=shrunk.n_eff,
        df=shrunk.df,
        note=NO_ERROR if math.isnan(shrunk.se) else "",
    )


def around(centre: float, half: float, estimate: float) -> tuple[float, float]:
    """`centre` +- `half` within [-1, 1]; always holds the estimate, which the shrunk centre may
    leave outside at a low level or an extreme difference."""
    return max(-1.0, min(centre - half, estimate)), min(1.0, max(centre + half, estimate))
