"""Reliability: how often verdicts of like confidence are right, and what that says of it.

`confidence`: (n,) probability that the verdict is right, in [0, 1]. `correct`: (n,) 1 where it is
right, 0 where not, or the share of humans who agree. `bins`: (n,) whole numbers, from
`equal_mass_bins` or `equal_width_bins`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.calibration import confidences
from bench.stats.clusters import Clusters, Floats, Ints, checked, clustered_mean, critical_value
from bench.stats.estimate import Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.resample import REPLICATES, Resample, Statistic, percentile_interval
from bench.types import BenchError

BINS = 15
MCE_ITEMS = 30
"""Rows that a bin needs before its gap may be the largest."""


def equal_mass_bins(confidence: ArrayLike, n_bins: int = BINS) -> Ints:
    """(n,) bins 0..n_bins - 1 of as equal a number of rows as ties allow: a row goes by the middle
    rank of its value, so equal confidences share a bin and the order of rows does not matter."""
    from scipy.stats import rankdata

    c = checked(confidence, 0, 1, "confidence")
    share = (rankdata(c) - 0.5) / max(1, c.size)
    return np.minimum(share * _positive(n_bins), n_bins - 1).astype(np.int64)


def equal_width_bins(confidence: ArrayLike, n_bins: int = BINS) -> Ints:
    """(n,) bins 0..n_bins - 1 of [0, 1], right-closed: (k / n_bins, (k + 1) / n_bins], 0 in the
    first (Guo et al. 2017)."""
    c = checked(confidence, 0, 1, "confidence")
    edges = np.arange(1, _positive(n_bins)) / n_bins
    return np.searchsorted(edges, c, side="left").astype(np.int64)


def _positive(n_bins: int) -> int:
    if n_bins < 1:
        raise BenchError(f"{n_bins} bins; at least 1 expected")
    return n_bins


@dataclass(frozen=True, slots=True)
class BinnedErrors:
    """Gaps |mean confidence - accuracy| of bins. `ece`: mean weighted by rows; `rms`: root of the
    weighted mean square. Both are above 0 also for a calibrated judge, the more so the fewer the
    rows, and resamples still more; the intervals make up for both. `squared`: weighted mean square
    less what chance adds (Kumar, Liang & Ma 2019); negative when chance adds more than is there.
    `largest`: of the bins with enough rows; the interval of the largest of many may lie too high.

    Simulated coverage at 95 %, 120 to 2,000 rows with 1 or 4 to a prompt, 10 or 15 bins, and true
    gaps of 0 to .1: `ece`, `rms` and `squared` .90 to 1, `largest` .78 to 1."""

    ece: Estimate
    rms: Estimate
    squared: Estimate
    largest: Estimate


def binned_errors(
    confidence: ArrayLike,
    correct: ArrayLike,
    bins: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
    smallest: int = MCE_ITEMS,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> BinnedErrors:
    """Calibration errors over given bins, which the resamples share.

    `bins`: (n,) whole numbers. `smallest`: rows a bin needs to count for `largest`; none has them:
    NaN. What chance adds to `squared` is the variance of y over n_k - 1, rows of a bin counting as
    independent; bins of one row are left out of it. Fewer than two rows: insufficient.
    """
    c, y = confidences(confidence, correct)
    codes = Clusters.of(bins, c.size).codes
    member = [(codes == k).astype(np.float64) for k in range(int(codes.max(initial=-1)) + 1)]
    enough = np.array([m.sum() >= smallest for m in member], bool)
    columns = [m * x for x in (np.ones(c.size), c, y, y**2) for m in member] or [c]
    sample = Resample.of(columns, clusters, replicates=replicates, seed=seed)

    def largest(sums: Floats) -> Floats:
        gap = np.abs(_gaps(sums)[1])[:, enough]
        return gap.max(axis=1) if enough.any() else np.full(len(sums), np.nan)

    def estimate(statistic: Statistic, name: str) -> Estimate:
        return sample.estimate(statistic, name, level=level, missing=missing)

    square = estimate(_squared, "debiased squared error")
    square = _centred(square, sample, _squared)
    name = f"largest gap of bins with {smallest} rows"
    most = _above_zero(estimate(largest, name), sample, largest, square)
    if not math.isnan(most.lo):
        most = replace(most, status="ok_small", note="of several gaps: may be too high")
    return BinnedErrors(
        _above_zero(estimate(_ece, "ECE"), sample, _ece, square),
        _rooted(estimate(_rms, "RMS calibration error"), square),
        square,
        most,
    )


def _centred(e: Estimate, sample: Resample, statistic: Statistic) -> Estimate:
    """Percentiles of resamples moved to have the estimate as their mean, rid of what redrawing rows
    adds to squares."""
    if math.isnan(e.lo):
        return e
    draws = statistic(sample.draws)
    moved = draws - np.nanmean(draws) + e.estimate
    lo, hi = percentile_interval(moved[~np.isnan(moved)], e.estimate, e.level, sample.groups)
    return replace(e, lo=lo, hi=hi)


def _above_zero(e: Estimate, sample: Resample, statistic: Statistic, square: Estimate) -> Estimate:
    """Interval in [0, 1] of what chance makes larger. The upper end is that of the centred
    resamples; the lower one is reflected, which takes off what chance has added to the estimate,
    and is 0 where the debiased square may be 0."""
    if math.isnan(e.lo):
        return e
    gained = float(np.nanmean(statistic(sample.draws))) - e.estimate
    hi = _centred(e, sample, statistic).hi
    lo = 0.0 if square.lo <= 0 else min(e.estimate, 2 * e.estimate - hi - gained)
    return replace(e, lo=max(0.0, lo), hi=min(1.0, hi))


def _rooted(e: Estimate, square: Estimate) -> Estimate:
    """The interval of the debiased square, as a root that holds the estimate."""
    if math.isnan(e.lo) or math.isnan(square.lo):
        return e
    lo, hi = (math.sqrt(max(0.0, end)) for end in (square.lo, square.hi))
    return replace(e, lo=lo, hi=min(1.0, max(hi, e.estimate)))


def _gaps(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """(replicates, 4 bins) sums of 1, confidence, outcome and its square -> rows, gap and sampling
    variance of the outcome, (replicates, bins) each."""
    n, total_c, total_y, total_y2 = np.split(sums, 4, axis=1)
    rows = np.maximum(n, 1)
    mean = total_y / rows
    spread = np.maximum(total_y2 / rows - mean**2, 0) / np.maximum(n - 1, 1)
    return n, total_c / rows - mean, spread


def _ece(sums: Floats) -> Floats:
    n, gap, _ = _gaps(sums)
    return _over(n * np.abs(gap), n)


def _rms(sums: Floats) -> Floats:
    n, gap, _ = _gaps(sums)
    return np.sqrt(_over(n * gap**2, n))


def _squared(sums: Floats) -> Floats:
    n, gap, spread = _gaps(sums)
    return _over(np.where(n > 1, n * (gap**2 - spread), 0), n)


def _over(parts: Floats, rows: Floats) -> Floats:
    """(replicates, bins) weighted by rows -> (replicates,) means; NaN for an empty resample."""
    total = rows.sum(axis=1)
    mean: Floats = np.where(total > 0, parts.sum(axis=1) / np.maximum(total, 1), np.nan)
    return mean


@dataclass(frozen=True, slots=True)
class Murphy:
    """Parts of the Brier score over bins: reliability - resolution + uncertainty
    + within_variance - within_covariance, exactly (Murphy 1973; Stephenson, Coelho & Jolliffe
    2008). The last two are what bins wider than a point leave: the variance of the confidence in a
    bin, and twice its covariance with the outcome."""

    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float


def murphy(confidence: ArrayLike, correct: ArrayLike, bins: ArrayLike) -> Murphy:
    """Decomposition of the Brier score over given bins. No row: all NaN."""
    c, y = confidences(confidence, correct)
    if c.size == 0:
        return Murphy(*[np.nan] * 5)
    groups = Clusters.of(bins, c.size)
    mean_c, mean_y = ((groups.sums(x) / groups.sizes)[groups.codes] for x in (c, y))
    return Murphy(
        reliability=float(np.mean((mean_c - mean_y) ** 2)),
        resolution=float(np.mean((mean_y - y.mean()) ** 2)),
        uncertainty=float(y.var()),
        within_variance=float(np.mean((c - mean_c) ** 2)),
        within_covariance=float(2 * np.mean((c - mean_c) * (y - mean_y))),
    )


@dataclass(frozen=True, slots=True)
class Corp:
    """Brier score = miscalibration - discrimination + uncertainty, without bins (Dimitriadis,
    Gneiting & Jordan 2021): what isotonic recalibration gains, what it gains over the overall
    accuracy, and the score of that. All are at least 0."""

    miscalibration: float
    discrimination: float
    uncertainty: float


def corp(confidence: ArrayLike, correct: ArrayLike) -> Corp:
    """Decomposition of the Brier score by isotonic regression of outcome on confidence. No row:
    all NaN."""
    c, y = confidences(confidence, correct)
    if c.size == 0:
        return Corp(np.nan, np.nan, np.nan)
    score, best = (float(np.mean((x - y) ** 2)) for x in (c, isotonic(c, y)(c)))
    unc = float(y.var())
    return Corp(max(0.0, score - best), max(0.0, unc - best), unc)


def isotonic(confidence: Floats, correct: Floats) -> Callable[[Floats], Floats]:
    """Least-squares non-decreasing fit of the outcome, linear between the values seen and constant
    beyond them. At least one row."""
    from scipy.optimize import isotonic_regression

    values, codes, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    means = np.bincount(codes, weights=correct) / counts
    fitted = isotonic_regression(means, weights=counts).x
    return lambda x: np.interp(x, values, fitted)


@dataclass(frozen=True, slots=True)
class Bin:
    """A point of the reliability diagram. `confidence`: mean. `band`: where the share of right
    verdicts lies, at the level, if the judge is calibrated (Broecker & Smith 2007)."""

    confidence: float
    correct: Estimate
    band: tuple[float, float]


def reliability_diagram(
    confidence: ArrayLike,
    correct: ArrayLike,
    bins: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
) -> list[Bin]:
    """One point per bin in use, by rising bin. The band is that of a binomial law with the mean
    confidence of the bin and its rows over the design effect of (correct - confidence)."""
    from scipy.stats import binom

    critical_value(level)  # refuses a level outside (0, 1)
    c, y = confidences(confidence, correct)
    groups, codes = Clusters.of(clusters, c.size), checked(bins, -np.inf, np.inf, "bins")
    Clusters.of(codes, c.size)  # refuses another length
    deff = clustered_mean(y - c, groups).deff if c.size else 1.0
    points = []
    for k in np.unique(codes):
        rows = codes == k
        n, mean = max(1, round(rows.sum() / deff)), float(c[rows].mean())
        lo, hi = (float(x) / n for x in binom.interval(level, n, mean))
        observed = cluster_wilson(y[rows], groups.take(rows), level=level, deff=deff)
        points.append(Bin(mean, observed, (lo, hi)))
    return points
