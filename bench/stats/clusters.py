"""Rows that share a prompt are not independent: what follows from that for a mean.

Everything here needs the rows' cluster only through sums per cluster, so the cost is one pass over
the rows whatever the number of clusters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.types import BenchError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LARGEST = float(np.finfo(np.float64).max)
"""Bound for `checked` of a value that may be anything finite."""

NO_VARIANCE = 1e-24
"""A variance of numbers in [-1, 1] below this is rounding noise."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Rows coded by cluster. `codes`: (n,) in 0..G-1, every code in use. `sizes`: (G,) rows per
    cluster. Coding once serves every statistic on the same rows."""

    codes: Ints
    sizes: Ints

    @classmethod
    def of(cls, ids: Clusters | ArrayLike, n_rows: int) -> Clusters:
        """Code (n,) ids of any hashable kind; what is coded already is only checked.

        Raises BenchError when there are not `n_rows` of them, or when one is None or NaN.
        """
        clusters = ids if isinstance(ids, Clusters) else cls._coded(_codes(ids))
        if clusters.n_items != n_rows:
            raise BenchError(
                f"{clusters.n_items} cluster ids for {n_rows} values; one id per value expected"
            )
        return clusters

    @classmethod
    def _coded(cls, codes: Ints) -> Clusters:
        return cls(codes, np.bincount(codes))

    def take(self, rows: NDArray[np.bool_]) -> Clusters:
        """The clusters of the rows where `rows`, (n,) booleans, is true."""
        return self._coded(_codes(self.codes[rows]))

    @property
    def n_items(self) -> int:
        return self.codes.size

    @property
    def n_clusters(self) -> int:
        return self.sizes.size

    @property
    def n_effective(self) -> float:
        """G_eff = n^2 / sum n_g^2: the number of equal clusters that would weigh like these."""
        return float(self.n_items**2 / np.sum(self.sizes.astype(np.float64) ** 2))

    @property
    def df(self) -> float:
        """Degrees of freedom of a clustered mean: G_eff - 1, at least 1."""
        return max(1.0, self.n_effective - 1)

    def sums(self, values: Floats) -> Floats:
        """(n,) values -> (G,) sums per cluster."""
        sums = np.bincount(self.codes, weights=values, minlength=self.n_clusters)
        return sums.astype(np.float64, copy=False)


def _codes(ids: Any) -> Ints:
    """Ids of any kind -> codes 0..G-1."""
    array = np.asarray(ids) if hasattr(ids, "__array__") else None
    if array is not None and array.ndim != 1:
        raise BenchError(f"cluster ids have shape {array.shape}; one dimension expected")
    if array is None or array.dtype.kind not in "biu":
        return _codes_of_objects(list(ids) if array is None else array.tolist())
    if array.size == 0:
        return np.zeros(0, np.int64)
    low, high = int(array.min()), int(array.max())
    if array.dtype.kind != "i" or high - low > 4 * array.size + 1024:
        return np.unique(array, return_inverse=True)[1].astype(np.int64)
    offset: Ints = array.astype(np.int64) - low
    rank: Ints = np.cumsum(np.bincount(offset) > 0, dtype=np.int64) - 1
    return rank.take(offset)


def _codes_of_objects(ids: list[Any]) -> Ints:
    """Hashable ids -> codes: of strings in their order, so that the order of rows does not matter,
    of what may have no order by first appearance."""
    try:
        distinct = list(dict.fromkeys(ids))
    except TypeError as error:
        raise BenchError(f"cluster ids: {error}; numbers or strings expected") from None
    if all(isinstance(value, str) for value in distinct):
        distinct.sort()
    index = {value: code for code, value in enumerate(distinct)}
    for value in index:
        if value is None or value != value:
            raise BenchError(f"cluster id {ids.index(value)} is {value}; an id expected")
    return np.fromiter(map(index.__getitem__, ids), np.int64, len(ids))


def checked(values: ArrayLike, low: float, high: float, what: str) -> Floats:
    """(n,) finite numbers in [low, high] as floats. Raises BenchError that names the position."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise BenchError(f"{what} has shape {array.shape}; one dimension expected")
    bad = ~((array >= low) & (array <= high))
    if bad.any():
        i = int(np.argmax(bad))
        raise BenchError(
            f"{what}[{i}] is {array[i]}; a number in [{low:g}, {high:g}] expected. "
            "Leave out what is missing, and count it as missing."
        )
    return array


def critical_value(level: float, df: float = math.inf) -> float:
    """Two-sided critical value of Student's t, or of the normal law when `df` is infinite.

    Raises BenchError unless 0 < level < 1.
    """
    if not 0 < level < 1:
        raise BenchError(f"level is {level}; a number between 0 and 1 expected, such as 0.95")
    if math.isinf(df):
        return NormalDist().inv_cdf((1 + level) / 2)
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + level) / 2))


def mean_variance(values: Floats, clusters: Clusters, *, small_sample: bool = True) -> float:
    """Clustered variance of the mean of (n,) values: sum over clusters of (sum of residuals)^2,
    over n^2 (CR0), times G / (G - 1) when `small_sample` (CR1); NaN for CR1 of one cluster.

    Liang & Zeger 1986; for evaluations Miller 2024 (arXiv 2411.00640).
    """
    g = clusters.n_clusters
    cr0 = float(np.sum(clusters.sums(values - values.mean()) ** 2)) / values.size**2
    if not small_sample:
        return cr0
    return cr0 * g / (g - 1) if g > 1 else math.nan


@dataclass(frozen=True, slots=True)
class Mean:
    """A clustered mean of n rows. `se`: CR1, NaN where the clusters do not vary. `deff`: design
    effect, CR1 variance over that of independent rows, never below 1. `n_eff`: n / deff."""

    value: float
    se: float
    deff: float
    n_eff: float


def clustered_mean(values: Floats, clusters: Clusters) -> Mean:
    """Mean, error and design effect of (n,) values in [-1, 1], n >= 1.

    The variance of independent rows is the sample variance (over n) divided by n: p(1 - p)/n for
    0/1 values. A design effect below 1 is not believed, so the clusters never shorten an interval.
    """
    mean = float(values.mean())
    variance = mean_variance(values, clusters)
    independent = float(np.mean((values - mean) ** 2)) / values.size
    varies = variance > NO_VARIANCE and independent > NO_VARIANCE
    deff = max(1.0, variance / independent) if varies else 1.0
    se = math.sqrt(variance) if varies else math.nan
    return Mean(mean, se, deff, values.size / deff)


def pooled_deff(columns: Iterable[Floats], clusters: Clusters) -> float:
    """Mean design effect over those of several (n,) columns of values that vary; 1 where none
    does. For a column that does not vary itself, on the same rows."""
    found = [clustered_mean(column, clusters) for column in columns if column.size]
    known = [mean.deff for mean in found if not math.isnan(mean.se)]
    return math.fsum(known) / len(known) if known else 1.0
