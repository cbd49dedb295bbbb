"""How alike are the items of one prompt? The intracluster correlation of any value."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import LARGEST, Clusters, Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.resample import bootstrap

_ROUNDING = 1e-9
_FAR = 300.0  # on the scale of the interval; beyond it, exp would overflow


def intracluster_correlation(
    values: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> Estimate:
    """(MSB - MSW) / (MSB + (m - 1) MSW) of a one-way analysis of variance, m the mean cluster size
    adjusted for its spread (Donner 1986). 0: items of one prompt are no more alike than others; it
    can be a little below. The unit of the values does not matter.

    Error by cluster bootstrap; interval of t(G_eff - 1) on the scale
    log[(1 + (m - 1) r) / (1 - r)] / 2 (Fisher 1925), where the error hardly depends on r. It held
    r in 93 to 97 % of simulated runs of 15 to 80 prompts of 2 to 7 items, normal or 0/1 (89 % for
    15 prompts of two 0/1 items with r = .7).

    `values`: (n,) one per item. `clusters`: (n,) prompt ids. Constant values, no prompt with two
    items, or prompts that all have the same mean: degenerate.
    """
    x = _standardised(checked(values, -LARGEST, LARGEST, "values"))
    groups = Clusters.of(clusters, x.size)
    size = groups.sizes[groups.codes].astype(np.float64)
    mean = (groups.sums(x) / groups.sizes)[groups.codes]
    # Summed over rows these give G, n, sum n_g^2, the total, sum n_g mean_g^2 and the squares.
    columns = [1 / size, np.ones_like(x), size, x, mean**2, x**2]
    e = bootstrap(columns, groups, _anova, "intracluster correlation", level=level)
    return e if math.isnan(e.lo) else _transformed(e, groups)


def _standardised(x: Floats) -> Floats:
    """(n,) values in standard deviations from their mean; zeros where they do not vary."""
    if x.size == 0 or x.min() == x.max():
        return np.zeros_like(x)
    x = x / np.abs(x).max()  # so that the squares of huge or tiny values are numbers
    z: Floats = (x - x.mean()) / x.std()
    return z


def _transformed(e: Estimate, groups: Clusters) -> Estimate:
    """The interval on the scale where the error is even, in place of the percentiles."""
    g, r = groups.n_clusters, e.estimate
    m = (e.n_items - e.n_items / groups.n_effective) / (g - 1)
    above, below = 1 + (m - 1) * r, 1 - r
    if min(above, below) < _ROUNDING:
        basis = Basis(e.method, e.level, e.n_items, g, e.n_missing)
        return basis.undefined("degenerate", "prompts have equal means, or equal items", r)
    half = math.sqrt(g / (g - 1)) * critical_value(e.level, e.df) * e.se * m / (2 * above * below)
    centre, half = math.log(above / below) / 2, min(half, _FAR)
    ends = [math.expm1(2 * z) / (math.expm1(2 * z) + m) for z in (centre - half, centre + half)]
    return replace(e, lo=ends[0], hi=ends[1])


def _anova(sums: Floats) -> Floats:
    """(B, 6) -> (B,)."""
    g, n, squares, total, between, values = np.round(sums, 12).T
    with np.errstate(divide="ignore", invalid="ignore"):
        msb = (between - total**2 / n) / (g - 1)
        msw = (values - between) / (n - g)
        m = (n - squares / n) / (g - 1)
        spread = msb + (m - 1) * msw
        icc = (msb - msw) / spread
    return np.where((n > g) & (g > 1) & (spread > _ROUNDING), icc, np.nan)
