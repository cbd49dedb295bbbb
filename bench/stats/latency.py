"""How long a verdict takes: quantiles with exact intervals. Seconds throughout.

The caller leaves out cold starts (the first verdict, which loads a model) and states how many
requests ran at once; verdicts that ran together wait for one another, so their latencies are not
as independent as the intervals take them to be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import LARGEST, Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of the latencies, their mean, and their geometric mean (0 where one is 0). The
    means of no latency are NaN."""

    p50: Estimate
    p95: Estimate
    p99: Estimate
    mean: float
    geometric_mean: float


def latency(seconds: ArrayLike, *, level: float = 0.95, missing: int = 0) -> Latency:
    """`seconds`: (n,) finite, at least 0."""
    s = checked(seconds, 0, LARGEST, "seconds")
    p50, p95, p99 = (quantile(s, p, level=level, missing=missing) for p in (0.5, 0.95, 0.99))
    if s.size == 0:
        return Latency(p50, p95, p99, math.nan, math.nan)
    geometric = math.exp(float(np.log(s).mean())) if s.min() > 0 else 0.0
    return Latency(p50, p95, p99, float(s.mean()), geometric)


def quantile(values: ArrayLike, p: float, *, level: float = 0.95, missing: int = 0) -> Estimate:
    """Quantile of (n,) values of at least 0, linear between order statistics (Hyndman & Fan 1996,
    type 7), with the order statistics that bound it by the binomial law as its interval.

    The coverage of that is at least the level whatever the distribution. Too few values for one
    side: 0 below, infinite above, and a note. No value: insufficient. One: no interval. Raises
    BenchError unless 0 < p < 1.
    """
    if not 0 < p < 1:
        raise BenchError(f"quantile is {p}; a number between 0 and 1 expected")
    critical_value(level)  # refuses a level outside (0, 1)
    s: Floats = np.sort(checked(values, 0, LARGEST, "values"))
    basis = Basis(f"p{100 * p:g}, order statistics", level, s.size, s.size, missing)
    if s.size == 0:
        return basis.undefined("insufficient", "no values")
    value = float(np.quantile(s, p))
    if s.size == 1:
        return basis.undefined("insufficient", "one value: its error is unknown", value)
    lower, upper = interval_ranks(s.size, p, level)
    lo = float(s[lower - 1]) if lower >= 1 else 0.0
    hi = float(s[upper - 1]) if upper <= s.size else math.inf
    note = f"too few values for an upper end: above {s[-1]:g}" if math.isinf(hi) else ""
    return basis.estimate(
        value,
        (min(lo, value), max(hi, value)),
        se=math.nan,
        n_eff=float(s.size),
        df=math.inf,
        note=note,
    )


def interval_ranks(n: int, p: float, level: float) -> tuple[int, int]:
    """Ranks (1..n) of the order statistics around a quantile: the greatest lower one with
    P(Binomial(n, p) < rank) <= (1 - level) / 2, and the least upper one with
    P(Binomial(n, p) >= rank) no more than that. 0 and n + 1 where there is none."""
    from scipy.stats import binom

    tail = (1 - level) / 2
    below = binom.cdf(np.arange(n + 1), n, p)  # P(X <= k)
    lower = int(np.searchsorted(below, tail, side="right"))
    upper = int(np.argmax(binom.sf(np.arange(-1, n + 1), n, p) <= tail))
    return lower, upper


def throughput(judgments: int, wall_s: float) -> float:
    """Judgments per second of wall time, all that ran at once together."""
    if judgments < 0 or not wall_s > 0:
        raise BenchError(f"{judgments} judgments in {wall_s} s; counts and a time above 0 expected")
    return judgments / wall_s
