"""All pairs of many judges at once: intervals that hold together, and p-values that know of each
other.

The comparisons share items and judges, so they move together, and the largest of them all is far
less extreme than that of as many independent ones. A bootstrap that gives every pair the same
weights of prompts knows by how much.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters, Floats, Ints, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import NO_ERROR
from bench.stats.paired import Shrunk, shrunk_macro, shrunk_mean
from bench.stats.resample import REPLICATES, resampled_sums
from bench.types import BenchError

_NO_SCALE = 1e-12


@dataclass(frozen=True, slots=True)
class Comparison:
    """Judge `first` minus judge `second`, by column. `difference`: with its simultaneous interval.
    `p`: two-sided, of this pair alone. `p_adjusted`: max-|t|, which belongs to the interval.
    `p_stepdown`: Romano & Wolf's, never larger. All NaN where the pair cannot be compared."""

    first: int
    second: int
    difference: Estimate
    p: float
    p_adjusted: float
    p_stepdown: float


@dataclass(frozen=True, slots=True)
class Simultaneous:
    """`comparisons`: of every pair, in the order (0, 1), (0, 2), ... `critical`: the normal
    deviate that replaces 1.96; NaN where no pair can be compared."""

    n_judges: int
    comparisons: tuple[Comparison, ...]
    critical: float

    def better(self) -> NDArray[np.bool_]:
        """(J, J), true at [i, k] when the interval puts judge i above judge k."""
        matrix = np.zeros((self.n_judges, self.n_judges), np.bool_)
        for c in self.comparisons:
            matrix[c.first, c.second] = c.difference.lo > 0
            matrix[c.second, c.first] = c.difference.hi < 0
        return matrix


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two judges on the items that have a credit of both. `influence`: (G,), of each cluster on
    the mean."""

    basis: Basis
    shrunk: Shrunk
    influence: Floats


def simultaneous(
    credits: ArrayLike,
    clusters: Clusters | ArrayLike,
    strata: ArrayLike | None = None,
    *,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Simultaneous:
    """Differences of all pairs of J judges with intervals that all hold together at `level`.

    `credits`: (n, J) in [0, 1], NaN where a judge has none; a pair is compared on the items where
    both have one. `clusters`: (n,) prompt ids. `strata`: (n,) domains; with them a difference is
    the unweighted mean of those of the domains.

    Interval: cluster-adjusted Bonett-Price as for a single pair, over domains with the mean of
    centres and of variances and Satterthwaite's degrees of freedom. Only the critical value
    differs: the quantile of the largest |t| of all pairs over cluster-bootstrap resamples of their
    influence values (Hothorn, Bretz & Westfall 2008 for the idea), at least that of one pair, and
    carried to the t law of each pair at equal tail probability. p-values are read off the same
    resamples, step-down after Romano & Wolf 2005.

    A pair with fewer than two common items in some domain is insufficient, one with a single
    prompt there one_cluster; neither takes part. Judges that never differ have p 1 and an interval
    of some width. Raises BenchError for a credit outside [0, 1], with its position.
    """
    values = checked_credits(credits)
    n, judges = values.shape
    groups = Clusters.of(clusters, n)
    domains = Clusters.of(np.zeros(n, np.int64) if strata is None else strata, n)
    couples = list(itertools.combinations(range(judges), 2))
    method = f"simultaneous Bonett-Price, max-|t| of {len(couples)} pairs, cluster bootstrap"
    method += f" ({replicates} replicates, seed {seed})"
    pairs = [
        _compare(values[:, i] - values[:, k], groups, domains, Basis(method, level, 0, 0))
        for i, k in couples
    ]
    family = [pair for pair in pairs if isinstance(pair, _Pair)]
    critical, adjusted = _adjust(family, level, replicates, seed)
    left = iter(adjusted)
    comparisons = [
        Comparison(i, k, _estimate(pair, critical), *next(left))
        if isinstance(pair, _Pair)
        else Comparison(i, k, pair, math.nan, math.nan, math.nan)
        for (i, k), pair in zip(couples, pairs, strict=True)
    ]
    return Simultaneous(judges, tuple(comparisons), critical)


def checked_credits(credits: ArrayLike) -> Floats:
    """(n, J) credits in [0, 1] or NaN, as floats."""
    values = np.asarray(credits, dtype=np.float64)
    if values.ndim != 2:
        raise BenchError(f"credits have shape {values.shape}; items by judges expected")
    bad = np.argwhere((values < 0) | (values > 1))
    if bad.size:
        i, j = bad[0]
        raise BenchError(f"credits[{i}, {j}] is {values[i, j]}; a number in [0, 1] or NaN expected")
    return values


def macro_influence(values: Floats, clusters: Ints, strata: Ints, n_clusters: int) -> Floats:
    """(G,) what each cluster adds to the mean over strata of the means of (n,) values. It sums to
    0, and its sum with bootstrap weights is, to first order, the resampled mean less the mean.
    `clusters`, `strata`: (n,) codes; every stratum has a row."""
    size = np.bincount(strata).astype(np.float64)
    centre = np.bincount(strata, weights=values) / size
    residual = (values - centre[strata]) / (size[strata] * size.size)
    influence = np.bincount(clusters, weights=residual, minlength=n_clusters)
    return influence.astype(np.float64, copy=False)


def _compare(d: Floats, groups: Clusters, domains: Clusters, blank: Basis) -> _Pair | Estimate:
    """The pair with (n,) differences `d`; undefined where it cannot be compared."""
    shared = ~np.isnan(d)
    rows = [shared & (domains.codes == k) for k in range(domains.n_clusters)]
    parts = [groups.take(r) for r in rows]
    n, g = int(shared.sum()), int(np.count_nonzero(np.bincount(groups.codes[shared])))
    basis = replace(blank, n_items=n, n_clusters=g, n_missing=d.size - n)
    if not parts or min(part.n_items for part in parts) < 2:
        return basis.undefined("insufficient", "fewer than two common items in a domain")
    shrunk = shrunk_macro([shrunk_mean(d[r], p) for r, p in zip(rows, parts, strict=True)])
    if min(part.n_clusters for part in parts) < 2:
        note = "one prompt in a domain: its error is unknown"
        return basis.undefined("one_cluster", note, shrunk.value)
    influence = macro_influence(
        d[shared], groups.codes[shared], domains.codes[shared], groups.n_clusters
    )
    return _Pair(basis, shrunk, influence)


def _adjust(
    family: Sequence[_Pair], level: float, replicates: int, seed: int
) -> tuple[float, list[tuple[float, float, float]]]:
    """Critical normal deviate, and for every pair p, max-|t| p and step-down p."""
    from scipy.special import ndtri, stdtr

    if not family:
        return math.nan, []
    found = [pair.shrunk for pair in family]
    t = np.array([abs(s.centre) / math.sqrt(s.variance) for s in found])
    p = 2 * stdtr([s.df for s in found], -t)
    z = -ndtri(p / 2)
    largest, order = _largest(family, z, replicates, seed)
    every, n = np.sort(largest[:, -1]), len(largest)
    critical = float(np.quantile(every, level, method="inverted_cdf"))
    adjusted = (1 + n - np.searchsorted(every, z)) / (n + 1)
    stepped = (1 + np.count_nonzero(largest >= z[order], axis=0)) / (n + 1)
    stepdown = np.empty_like(p)
    stepdown[order] = np.maximum.accumulate(stepped[::-1])[::-1]
    columns = np.stack([p, np.maximum(p, adjusted), np.maximum(p, stepdown)], axis=1)
    return max(critical_value(level), critical), columns.tolist()


def _largest(
    family: Sequence[_Pair], z: Floats, replicates: int, seed: int
) -> tuple[Floats, NDArray[np.intp]]:
    """The pairs in ascending `order` of z, and (replicates, pairs) resampled |t|: column i holds
    the largest of the pairs up to the i-th in that order."""
    influence = np.stack([pair.influence for pair in family], axis=1)
    scale = np.sqrt(np.sum(influence**2, axis=0))
    # Judges that never differ have no law of their own, and are never the largest.
    influence /= np.where(scale > _NO_SCALE, scale, np.inf)
    order = np.argsort(z, kind="stable")
    drawn = resampled_sums(influence[:, order], replicates=replicates, seed=seed)
    np.abs(drawn, out=drawn)
    return np.maximum.accumulate(drawn, axis=1, out=drawn), order


def _estimate(pair: _Pair, critical: float) -> Estimate:
    """The difference, with the critical deviate carried to the t law of the pair."""
    from scipy.special import ndtr, stdtrit

    shrunk = pair.shrunk
    return pair.basis.estimate(
        shrunk.value,
        shrunk.interval(-float(stdtrit(shrunk.df, float(ndtr(-critical))))),
        se=shrunk.se,
        n_eff=math.nan,
        df=shrunk.df,
        note=NO_ERROR if math.isnan(shrunk.se) else "",
    )
