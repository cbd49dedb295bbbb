"""How alike are the items of one prompt? The intracluster correlation of any value."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats, checked
from bench.stats.estimate import Estimate
from bench.stats.resample import bootstrap


def intracluster_correlation(
    values: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> Estimate:
    """(MSB - MSW) / (MSB + (m - 1) MSW) of a one-way analysis of variance, m the mean cluster size
    adjusted for its spread (Donner 1986). 0: items of one prompt are no more alike than others; it
    can be a little below. Cluster bootstrap.

    `values`: (n,) one per item. `clusters`: (n,) prompt ids. Constant values, or no prompt with two
    items: degenerate.
    """
    x = checked(values, -np.inf, np.inf, "values")
    groups = Clusters.of(clusters, x.size)
    x = x - x.mean() if x.size else x
    size = groups.sizes[groups.codes].astype(np.float64)
    mean = (groups.sums(x) / groups.sizes)[groups.codes]
    # Summed over rows these give G, n, sum n_g^2, the total, sum n_g mean_g^2 and the squares.
    columns = [1 / size, np.ones_like(x), size, x, mean**2, x**2]
    return bootstrap(columns, groups, _anova, "intracluster correlation", level=level)


def _anova(sums: Floats) -> Floats:
    """(B, 6) -> (B,)."""
    g, n, squares, total, between, values = np.round(sums, 12).T
    with np.errstate(divide="ignore", invalid="ignore"):
        msb = (between - total**2 / n) / (g - 1)
        msw = (values - between) / (n - g)
        m = (n - squares / n) / (g - 1)
        spread = msb + (m - 1) * msw
        icc = (msb - msw) / spread
    return np.where((n > g) & (g > 1) & (spread > 1e-12), icc, np.nan)
