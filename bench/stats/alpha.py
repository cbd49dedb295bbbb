"""Agreement among any number of raters, with gaps: Krippendorff's alpha, Fleiss' kappa and kin.

Ratings are an (n items, raters) matrix, NaN where a rater was not asked. All coefficients are
functions of sums over items, so their intervals are a cluster bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats
from bench.stats.estimate import Basis, Estimate
from bench.stats.resample import REPLICATES, Resample, Statistic
from bench.types import BenchError

Metric = Literal["nominal", "ordinal", "interval", "ratio"]

_MOST_COLUMNS = 1000
_BOUNDS = (-1.0, 1.0)


def krippendorff_alpha(
    ratings: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    metric: Metric = "nominal",
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """alpha = 1 - (N - 1) sum o d / sum n_c n_k d (Krippendorff 2011), over N ratings.

    o counts the pairs of ratings c, k within items, each item's by 1 / (its ratings - 1); n_c how
    often c was given. d(c, k) is 1 for c other than k (nominal), (c - k)^2 (interval),
    ((c - k) / (c + k))^2 (ratio), or the squared difference of the mid-ranks that c and k have
    among all ratings (ordinal).

    `ratings`: (n, raters) numbers. `clusters`: (n,) prompt ids. Items with fewer than two ratings
    count as missing. Bootstrap interval (`Resample.estimate`). A single value given: NaN,
    degenerate. Perfect agreement: 1, and no interval. Raises BenchError for an infinite rating, a
    negative one in a ratio, or more different values than a bootstrap has room for (999, ordinal
    ones 44).
    """
    table = _ratings(ratings)
    groups = Clusters.of(clusters, len(table))
    pairable = np.count_nonzero(~np.isnan(table), axis=1) >= 2
    values = np.unique(table[pairable][~np.isnan(table[pairable])])
    q, missing = values.size, int(np.count_nonzero(~pairable))
    if q == 0:
        basis = Basis(f"{metric} alpha", level, 0, 0, missing)
        return basis.undefined("insufficient", "no item with two ratings")
    _refuse_too_many(q * (q + 1) // 2 if metric == "ordinal" else q + 1)
    counts = _counts(table[pairable], values)
    halves = counts / (counts.sum(axis=1, keepdims=True) - 1)
    if metric == "ordinal":
        a, b = np.triu_indices(q, 1)
        pairs, statistic = halves[:, a] * counts[:, b], _ordinal_alpha
    else:
        distance = _distance(values, metric)
        pairs = ((halves @ distance) * counts).sum(axis=1, keepdims=True) / 2

        def statistic(sums: Floats) -> Floats:
            given = sums[:, :-1]
            by_chance = ((given @ distance) * given).sum(axis=1) / 2
            return _alpha(given.sum(axis=1), sums[:, -1], by_chance)

    resample = Resample.of(
        [*counts.T, *pairs.T], groups.take(pairable), replicates=replicates, seed=seed
    )
    return resample.estimate(
        statistic, f"{metric} alpha", level=level, missing=missing, bounds=_BOUNDS
    )


def _alpha(n: Floats, observed: Floats, by_chance: Floats) -> Floats:
    """NaN where a single value was given."""
    varies = by_chance > 0
    alpha: Floats = 1 - (n - 1) * observed / np.where(varies, by_chance, np.nan)
    return alpha


def _ordinal_alpha(sums: Floats) -> Floats:
    """Sums: q counts of the values in order, then q (q - 1) / 2 sums of their pairs."""
    q = int((np.sqrt(8 * sums.shape[1] + 1) - 1) / 2)
    given, pairs = sums[:, :q], sums[:, q:]
    ranks = np.cumsum(given, axis=1) - given / 2
    a, b = np.triu_indices(q, 1)
    distance = (ranks[:, a] - ranks[:, b]) ** 2
    by_chance = (given[:, a] * given[:, b] * distance).sum(axis=1)
    return _alpha(given.sum(axis=1), (pairs * distance).sum(axis=1), by_chance)


def _distance(values: Floats, metric: Metric) -> Floats:
    """(q,) values -> (q, q) squared distances."""
    difference = np.subtract.outer(values, values)
    if metric == "nominal":
        differs: Floats = (difference != 0).astype(np.float64)
        return differs
    if metric == "interval":
        squared: Floats = difference**2
        return squared
    if metric != "ratio":
        raise BenchError(f"metric {metric!r}; nominal, ordinal, interval or ratio expected")
    if values[0] < 0:
        raise BenchError(f"rating {values[0]:g}; a ratio metric takes numbers from 0 on")
    total = np.add.outer(values, values)
    relative: Floats = (difference / np.where(total > 0, total, 1)) ** 2
    return relative


@dataclass(frozen=True, slots=True)
class ManyRaters:
    """(po - pe) / (1 - pe) of many raters, po the chance that two ratings of an item agree.

    pe, with m the mean share of each of q categories: `fleiss` sum m^2 (Fleiss 1971, generalised
    to items with unequal numbers of ratings); `ac1` sum m (1 - m) / (q - 1) (Gwet 2008);
    `brennan_prediger` 1 / q (1981).
    """

    fleiss: Estimate
    ac1: Estimate
    brennan_prediger: Estimate


def many_raters(
    ratings: ArrayLike,
    clusters: Clusters | ArrayLike,
    categories: ArrayLike,
    *,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> ManyRaters:
    """`ratings`: (n, raters). `categories`: all that could be given, because `ac1` and
    `brennan_prediger` depend on their number. `clusters`: (n,) prompt ids.

    Items with one rating tell of the shares and not of the agreement, and count as missing.
    Bootstrap intervals from one resample. One category given: `fleiss` is NaN, degenerate, the
    others 1. Perfect agreement has no interval. Raises BenchError for another category.
    """
    table, values = _ratings(ratings), _categories(ratings, categories)
    rated = np.count_nonzero(~np.isnan(table), axis=1) >= 1
    counts, q = _counts(table[rated], values), values.size
    shares = counts / counts.sum(axis=1, keepdims=True)
    groups = Clusters.of(clusters, len(table)).take(rated)
    resample = Resample.of([*_pairs(counts), *shares.T], groups, replicates=replicates, seed=seed)

    def corrected(name: str, chance: Callable[[Floats], Floats]) -> Estimate:
        def statistic(sums: Floats) -> Floats:
            margin = sums[:, 2:] / _positive(sums[:, 2:].sum(axis=1))[:, None]
            return _corrected(sums, chance((margin**2).sum(axis=1)))

        return _bootstrapped(resample, statistic, name, level, len(table))

    return ManyRaters(
        fleiss=corrected("Fleiss kappa", lambda same: same),
        ac1=corrected("AC1 of many raters", lambda same: (1 - same) / (q - 1)),
        brennan_prediger=corrected("Brennan-Prediger", lambda same: np.full_like(same, 1 / q)),
    )


def conger_kappa(
    ratings: ArrayLike,
    clusters: Clusters | ArrayLike,
    categories: ArrayLike,
    *,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """Kappa of many raters with margins of their own (Conger 1980): pe is the mean over pairs of
    raters of sum_c p_gc p_hc, p_gc rater g's share of c. For two raters Cohen's kappa.

    Arguments and intervals as in `many_raters`. Not for a crowd in which each rater sees a few
    items: a resample in which a rater has no item leaves it undefined.
    """
    table, values = _ratings(ratings), _categories(ratings, categories)
    (n, raters), q = table.shape, values.size
    _refuse_too_many(raters * q + 2)
    own = (table[:, :, None] == values).reshape(n, raters * q).astype(np.float64)

    def statistic(sums: Floats) -> Floats:
        by_rater = sums[:, 2:].reshape(-1, raters, q)
        p = by_rater / _positive(by_rater.sum(axis=2))[:, :, None]
        pairs = (p.sum(axis=1) ** 2 - (p**2).sum(axis=1)).sum(axis=1)
        return _corrected(sums, pairs / (raters * (raters - 1)))

    columns = [*_pairs(_counts(table, values)), *own.T]
    resample = Resample.of(columns, clusters, replicates=replicates, seed=seed)
    return _bootstrapped(resample, statistic, "Conger kappa", level, n)


def _pairs(counts: Floats) -> list[Floats]:
    """(n, q) counts -> which items have two ratings, and the share of their pairs that agree."""
    m = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / np.maximum(m * (m - 1), 1)
    return [(m >= 2).astype(np.float64), agreeing]


def _corrected(sums: Floats, chance: Floats) -> Floats:
    """Sums, of which the first two are `_pairs`."""
    observed = sums[:, 1] / _positive(sums[:, 0])
    value: Floats = (observed - chance) / np.where(1 - chance > 1e-12, 1 - chance, np.nan)
    return value


def _bootstrapped(
    resample: Resample, statistic: Statistic, name: str, level: float, rows: int
) -> Estimate:
    """Items are those with two ratings, the first sum, of all `rows`."""
    n = int(resample.observed[0, 0])
    if n < 2:
        basis = Basis(name, level, n, resample.groups.n_clusters, rows - n)
        return basis.undefined("insufficient", "fewer than two items with two ratings")
    return resample.estimate(
        statistic, name, level=level, n_items=n, missing=rows - n, bounds=_BOUNDS
    )


def _positive(numbers: Floats) -> Floats:
    """NaN in place of what cannot be divided by."""
    return np.where(numbers > 0, numbers, np.nan)


def _ratings(ratings: ArrayLike) -> Floats:
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise BenchError(f"ratings have shape {table.shape}; (items, 2 raters or more) expected")
    if np.isinf(table).any():
        i, rater = np.argwhere(np.isinf(table))[0]
        raise BenchError(f"ratings[{i}, {rater}] is infinite; a number expected, NaN for a gap")
    return table


def _categories(ratings: ArrayLike, categories: ArrayLike) -> Floats:
    table, values = _ratings(ratings), np.unique(np.asarray(categories, dtype=np.float64))
    if values.size < 2 or not np.isfinite(values).all():
        raise BenchError(f"categories {values.tolist()}; at least 2 numbers expected")
    foreign = ~np.isnan(table) & ~np.isin(table, values)
    if foreign.any():
        i, rater = np.argwhere(foreign)[0]
        raise BenchError(
            f"ratings[{i}, {rater}] is {table[i, rater]:g}; one of {values.tolist()} expected"
        )
    return values


def _counts(table: Floats, values: Floats) -> Floats:
    """(n, raters) -> (n, q): how often an item was given each value."""
    return np.stack([np.count_nonzero(table == v, axis=1) for v in values], axis=1).astype(float)


def _refuse_too_many(columns: int) -> None:
    if columns > _MOST_COLUMNS:
        raise BenchError(
            f"{columns} sums per item; at most {_MOST_COLUMNS} expected: fewer values or raters, "
            "or an intraclass correlation"
        )
