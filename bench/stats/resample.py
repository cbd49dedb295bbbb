"""Cluster bootstrap of any statistic of sums: ratios, kappas, areas, differences of those.

Three ideas make ten thousand replicates cheap. Rows are first summed per cluster, once. A
replicate is then one row of weights times these sums, so many replicates are one matrix product.
And the weights of replicate b come from a counter-based stream of its own (Philox, counter b), of
which cluster g reads draw g: so the weights depend on seed, replicate and cluster alone, and every
statistic that is coded on the same clusters meets the same resamples, paired by construction,
whatever the size of a chunk.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import LARGEST, Clusters, Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate

REPLICATES = 10_000
WIDE_ENOUGH = 80
"""Clusters from which a percentile interval needs no widening."""

_POISSON_FROM = 100  # clusters; below, the random total of Poisson weights would add noise
_CHUNK_CELLS = 1 << 21  # 16 MiB of weights at a time
NO_SPREAD = 1e-9
"""Resamples that differ by less differ by rounding: their sums stand on a grid."""

_UNDEFINED = 0.05  # share of undefined resamples that an interval survives

Statistic = Callable[[Floats], Floats]
"""(replicates, k) sums of k columns -> (replicates,) values; NaN where undefined."""


def resampled_sums(
    statistics: Floats,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    chunk: int | None = None,
) -> Floats:
    """(G, k) sums per cluster -> (replicates, k) sums over clusters drawn with replacement.

    From 100 clusters on Poisson(1) weights (right for ratios of these sums), below it G draws of
    G clusters (multinomial), and where there are no more than `replicates` different draws of G
    (G <= 5 for the default) every one of them once, so that nothing is random.

    The same arguments give the same bytes whatever `chunk` (replicates at a time) and however many
    threads multiply: each column is rounded to a binary grid of its own, on which all its totals
    are exact. So a column's bytes do not depend on the columns beside it.
    """
    g, k = statistics.shape
    # With no total of 2^45 grid steps, and no weight of 2^7, all sums stay below 2^53.
    steps = 45 - np.frexp(np.abs(statistics).sum(axis=0))[1]
    rounded: Floats = np.ldexp(np.round(np.ldexp(statistics, steps)), -steps)
    if 0 < g**g <= replicates:
        return _every_draw(g) @ rounded
    rows = chunk or max(1, min(256, _CHUNK_CELLS // max(g, 1)))
    out = np.empty((replicates, k))
    for start in range(0, replicates, rows):
        which = range(start, min(start + rows, replicates))
        out[which.start : which.stop] = weights(g, which, seed) @ rounded
    return out


def weights(g: int, replicates: Sequence[int], seed: int = 0) -> Floats:
    """(replicates, G) bootstrap weights of these replicates, given by number."""
    if g < _POISSON_FROM:
        drawn = _stream(g, replicates, seed, "<u4").astype(np.uint64) * np.uint64(g)
        cells = (drawn >> np.uint64(32)).astype(np.int64)  # cluster numbers, each as likely
        cells += np.arange(len(replicates))[:, None] * g
        counts = np.bincount(cells.ravel(), minlength=len(replicates) * g)
        return counts.reshape(-1, g).astype(np.float64)
    # A 16-bit draw looked up in the Poisson(1) law: mean 1 and variance 1 to four digits.
    law = np.cumsum([math.exp(-1) / math.factorial(n) for n in range(9)])
    table = np.searchsorted(law, (np.arange(65536) + 0.5) / 65536).astype(np.float64)
    looked_up: Floats = table[_stream(g, replicates, seed, "<u2")]
    return looked_up


def _stream(g: int, replicates: Sequence[int], seed: int, dtype: str) -> NDArray[Any]:
    """(replicates, G) unsigned draws; row b from the stream (seed, b)."""
    out = np.empty((len(replicates), g), dtype)
    words = -(-g * out.itemsize // 8)
    generator = np.random.Philox(key=seed)
    start = generator.state  # setting the counter in it is ten times as fast as a new generator
    for row, b in zip(out, replicates, strict=True):
        start["state"]["counter"][2] = b
        generator.state = start
        row[:] = generator.random_raw(words).astype("<u8", copy=False).view(dtype)[:g]
    return out


def _every_draw(g: int) -> Floats:
    """(G^G, G) weights of all draws of G clusters."""
    draws = itertools.product(range(g), repeat=g)
    return np.array([np.bincount(draw, minlength=g) for draw in draws], np.float64)


@dataclass(frozen=True, eq=False)
class Resample:
    """k columns, summed over the rows and over every resample of their clusters.

    `observed`: (1, k). `draws`: (replicates, k). Any number of statistics can be read off one.
    """

    groups: Clusters
    observed: Floats
    draws: Floats
    seed: int

    @classmethod
    def of(
        cls,
        columns: Sequence[ArrayLike],
        clusters: Clusters | ArrayLike,
        *,
        replicates: int = REPLICATES,
        seed: int = 0,
    ) -> Resample:
        """`columns`: k of (n,) finite values. `clusters`: (n,) prompt ids."""
        values = [checked(c, -LARGEST, LARGEST, f"column {i}") for i, c in enumerate(columns)]
        groups = Clusters.of(clusters, values[0].size)
        sums = np.stack([groups.sums(column) for column in values], axis=1)
        draws = resampled_sums(sums, replicates=replicates, seed=seed)
        return cls(groups, sums.sum(axis=0, keepdims=True), draws, seed)

    def estimate(
        self,
        statistic: Statistic,
        method: str,
        *,
        level: float = 0.95,
        n_items: int | None = None,
        missing: int = 0,
        bounds: tuple[float, float] = (-math.inf, math.inf),
    ) -> Estimate:
        """The statistic of the observed sums with its bootstrap interval.

        Percentile; below 80 clusters its deviations from the estimate are widened by
        sqrt(G / (G - 1)) t(G_eff - 1) / z, and cut at `bounds`, the range of the statistic. It
        always holds the estimate. Resamples where the statistic is undefined are left out; more
        than 5 % of them leave no interval (degenerate), nor is there one where no resample differs
        from another. Fewer than two rows: insufficient. One cluster: no interval. `n_items`: where
        rows are not items.
        """
        n, g = self.groups.n_items, self.groups.n_clusters
        how = f"{method}, cluster bootstrap ({len(self.draws)} replicates, seed {self.seed})"
        basis = Basis(how, level, n if n_items is None else n_items, g, missing)
        if n < 2:
            return basis.undefined("insufficient", "fewer than two rows")
        value = float(statistic(self.observed)[0])
        if math.isnan(value):
            return basis.undefined("degenerate", "not defined for these rows")
        if g == 1:
            return basis.undefined("one_cluster", "one prompt: its error is unknown", value)
        drawn = statistic(self.draws)
        found = drawn[~np.isnan(drawn)]
        lost = 1 - found.size / drawn.size
        if lost > _UNDEFINED:
            note = f"not defined in {lost:.0%} of the resamples"
            return basis.undefined("degenerate", note, value)
        if found.max() - found.min() < NO_SPREAD:
            return basis.undefined("degenerate", "no variation between prompts", value)
        lo, hi = percentile_interval(found, value, level, self.groups)
        return basis.estimate(
            value,
            (max(bounds[0], lo), min(bounds[1], hi)),
            se=float(found[np.isfinite(found)].std()),
            n_eff=math.nan,
            df=self.groups.df,
            note=f"not defined in {lost:.1%} of the resamples" if lost else "",
        )


def percentile_interval(
    draws: Floats, estimate: float, level: float, groups: Clusters
) -> tuple[float, float]:
    """Percentile interval, widened below 80 clusters as in `Resample.estimate`. Its ends are order
    statistics, so that infinite draws do no harm."""
    g, tail = groups.n_clusters, (1 - level) / 2
    lo, hi = (float(q) for q in np.quantile(draws, [tail, 1 - tail], method="inverted_cdf"))
    if g < WIDE_ENOUGH:
        widen = math.sqrt(g / (g - 1)) * critical_value(level, groups.df) / critical_value(level)
        lo, hi = estimate + (lo - estimate) * widen, estimate + (hi - estimate) * widen
    return min(lo, estimate), max(hi, estimate)


def bootstrap(
    columns: Sequence[ArrayLike],
    clusters: Clusters | ArrayLike,
    statistic: Statistic,
    method: str,
    *,
    level: float = 0.95,
    missing: int = 0,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """One statistic of the sums of k columns of (n,) values: `Resample.of` and its `estimate`."""
    resample = Resample.of(columns, clusters, replicates=replicates, seed=seed)
    return resample.estimate(statistic, method, level=level, missing=missing, bounds=bounds)
