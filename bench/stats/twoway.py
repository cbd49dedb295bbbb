"""A mean whose rows share two things at once, such as prompt and annotator, or prompt and model."""

from __future__ import annotations

import math
import sys

from numpy.typing import ArrayLike

from bench.stats.clusters import (
    NO_VARIANCE,
    Clusters,
    Floats,
    checked,
    critical_value,
    mean_variance,
)
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import NO_ERROR

FINITE = -sys.float_info.max, sys.float_info.max


def two_way_variance(
    values: Floats, first: Clusters, second: Clusters, *, small_sample: bool = True
) -> float:
    """Variance of the mean of (n,) values after Cameron, Gelbach & Miller 2011:
    V_first + V_second - V_both, the last over the pairs of ids that occur; each CR1 when
    `small_sample`, else CR0.

    The difference can come out small or even negative, so it is never taken below the larger
    one-way variance.
    """
    both = Clusters.of(first.codes * second.n_clusters + second.codes, values.size)
    one, two, cells = (
        mean_variance(values, way, small_sample=small_sample) for way in (first, second, both)
    )
    return max(one, two, one + two - cells)


def two_way_mean(
    values: ArrayLike,
    first: Clusters | ArrayLike,
    second: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """Mean of (n,) values with the error of `two_way_variance` and the critical value of t with the
    smaller of both G_eff - 1. `first`, `second`: (n,) ids; `n_clusters` is the smaller number.

    Fewer than two rows: insufficient. One cluster either way: no interval. No variation: no error.
    Raises BenchError for a value that is NaN or infinite, with its position.
    """
    x = checked(values, *FINITE, "values")
    ways = Clusters.of(first, x.size), Clusters.of(second, x.size)
    g = min(way.n_clusters for way in ways)
    basis = Basis("two-way clustered t", level, x.size, g, missing)
    df = min(way.df for way in ways) if x.size else math.inf
    critical = critical_value(level, df)
    if x.size < 2:
        return basis.undefined("insufficient", "fewer than two rows")
    mean = float(x.mean())
    if g == 1:
        return basis.undefined("one_cluster", "one cluster: its error is unknown", mean)
    variance = two_way_variance(x, *ways)
    if variance < NO_VARIANCE * max(1.0, mean**2):
        return basis.undefined("degenerate", NO_ERROR, mean)
    se = math.sqrt(variance)
    return basis.estimate(
        mean,
        (mean - critical * se, mean + critical * se),
        se=se,
        n_eff=min(float(x.size), float(x.var()) / variance),
        df=df,
    )
