"""Intervals that papers print for two judges on the same independent items, for replication.

Where items share prompts none of them holds: `cluster_bonett_price` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.stats.clusters import critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import score_interval
from bench.stats.paired import around
from bench.types import BenchError

_BESIDE = 1e-9  # just off the estimate, where the score of judges that never differ is 0 / 0


@dataclass(frozen=True, slots=True)
class PairedTable:
    """Items where both judges are right, only the first, only the second, and neither."""

    both: int
    first: int
    second: int
    neither: int

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 0:
                raise BenchError(f"{name} is {getattr(self, name)}; a count expected")

    @property
    def n(self) -> int:
        return self.both + self.first + self.second + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of the first judge minus that of the second."""
        return (self.first - self.second) / self.n


def bonett_price(table: PairedTable, level: float = 0.95) -> Estimate:
    """Wald's interval after an item was added to each of the two discordant counts (Bonett &
    Price 2012)."""
    if table.n < 2:
        return _undefined("Bonett-Price", table, level)
    critical, n = critical_value(level), table.n + 2
    centre = (table.first - table.second) / n
    spread = (table.first + table.second + 2) / n - centre**2
    half = critical * math.sqrt(spread / n)
    return _estimate("Bonett-Price", table, level, around(centre, half, table.difference))


def newcombe(table: PairedTable, level: float = 0.95) -> Estimate:
    """Method 10 of Newcombe 1998: Wilson's intervals of both accuracies, put together with their
    correlation phi, whose numerator is drawn n / 2 towards 0 where it is positive."""
    if table.n < 2:
        return _undefined("Newcombe 10", table, level)
    n, critical = table.n, critical_value(level)
    right = [table.both + table.first, table.both + table.second]
    p = [x / n for x in right]
    lo, hi = zip(*(score_interval(share, n, critical) for share in p), strict=True)
    below, above = np.subtract(p, lo), np.subtract(hi, p)
    cross = table.both * table.neither - table.first * table.second
    margins = math.prod(right) * math.prod(n - x for x in right)
    numerator = max(cross - n / 2, 0) if cross > 0 else cross
    phi = numerator / math.sqrt(margins) if margins else 0.0
    down = below[0] ** 2 - 2 * phi * below[0] * above[1] + above[1] ** 2
    up = above[0] ** 2 - 2 * phi * above[0] * below[1] + below[1] ** 2
    d = table.difference
    bounds = float(d - math.sqrt(max(0.0, down))), float(d + math.sqrt(max(0.0, up)))
    return _estimate("Newcombe 10", table, level, bounds)


def tango(table: PairedTable, level: float = 0.95) -> Estimate:
    """Score interval of Tango 1998: the differences that a score test, with the discordant shares
    estimated under each of them, does not reject."""
    if table.n < 2:
        return _undefined("Tango score", table, level)
    critical = critical_value(level)
    lower = _tango_lower(table.first, table.second, table.n, critical)
    upper = -_tango_lower(table.second, table.first, table.n, critical)
    return _estimate("Tango score", table, level, (lower, upper))


def _tango_lower(b: int, c: int, n: int, critical: float) -> float:
    from scipy.optimize import brentq

    def excess(delta: float) -> float:
        """Above 0 where the score test rejects."""
        half = -b - c + (2 * n - b + c) * delta
        root = math.sqrt(max(0.0, half**2 + 8 * n * c * delta * (1 - delta)))
        losses = (root - half) / (4 * n)  # constrained estimate of the share of c
        variance = n * (2 * losses + delta * (1 - delta))
        return b - c - n * delta - critical * math.sqrt(max(0.0, variance))

    d = (b - c) / n
    return float(brentq(excess, -1, d - _BESIDE)) if d > -1 else -1.0


def _undefined(method: str, table: PairedTable, level: float) -> Estimate:
    critical_value(level)
    basis = Basis(method, level, table.n, table.n)
    return basis.undefined("insufficient", "fewer than two items")


def _estimate(
    method: str, table: PairedTable, level: float, interval: tuple[float, float]
) -> Estimate:
    n, d = table.n, table.difference
    variance = ((table.first + table.second) / n - d**2) / n
    return Basis(method, level, n, n).estimate(
        d,
        interval,
        se=math.sqrt(variance) if variance > 0 else math.nan,
        n_eff=float(n),
        df=math.inf,
    )
