"""Two shares whose items cannot be matched, such as two published counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import wilson


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Two independent groups of 0/1 rows.

    `difference`: share of the first minus share of the second, in [-1, 1]. `z`: the difference
    over its standard error under equal shares. `p`: two-sided p of `z`. Both are NaN where all
    rows of both groups are alike, or a group is empty.
    """

    difference: Estimate
    z: float
    p: float


def unpaired_difference(
    successes: tuple[float, float], n: tuple[int, int], *, level: float = 0.95
) -> Unpaired:
    """Difference of two proportions with the hybrid score interval, and the two-proportion z test.

    Interval (Newcombe 1998, method 10): each limit is the difference, less or more the distances
    of both shares from the ends of their Wilson intervals, added as squares. It never leaves
    [-1, 1] and has a width at shares of 0 and 1. The test pools both groups for its error, so near
    the border it and the interval may disagree.

    `successes`, `n`: of the first and of the second group. Rows are taken as independent; where
    both groups are the same items, pairing them (`cluster_bonett_price`) says more. `se` is that
    of Wald's form, NaN where either group has no variation.

    An empty group: insufficient. Raises BenchError unless 0 <= successes <= n.
    """
    one, two = (wilson(s, rows, level) for s, rows in zip(successes, n, strict=True))
    basis = Basis("Newcombe hybrid score", level, sum(n), sum(n))
    if 0 in n:
        nothing = basis.undefined("insufficient", "no items in a group")
        return Unpaired(nothing, math.nan, math.nan)
    difference = one.estimate - two.estimate
    down = math.hypot(one.estimate - one.lo, two.hi - two.estimate)
    up = math.hypot(one.hi - one.estimate, two.estimate - two.lo)
    z = _pooled_z(successes, n, difference)
    small = "ok_small" in (one.status, two.status)
    estimate = basis.estimate(
        difference,
        (max(-1.0, difference - down), min(1.0, difference + up)),
        se=math.hypot(one.se, two.se),
        n_eff=float(sum(n)),
        df=math.inf,
        status="ok_small" if small else None,
        note="rows taken as independent and unpaired",
    )
    return Unpaired(estimate, z, math.erfc(abs(z) / math.sqrt(2)))


def _pooled_z(successes: tuple[float, float], n: tuple[int, int], difference: float) -> float:
    pooled = sum(successes) / sum(n)
    variance = pooled * (1 - pooled) * (1 / n[0] + 1 / n[1])
    return difference / math.sqrt(variance) if variance > 0 else math.nan
