"""Planning a comparison of two judges on the same items: how many items, and what they can show.

Discordance is the share of items where exactly one of the two is right. A design effect turns
counts of independent items into counts of items that share prompts.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from bench.stats.clusters import critical_value
from bench.types import BenchError

POWER = 0.8
ALPHA = 0.05


def design_effect(rows_per_cluster: float, icc: float) -> float:
    """1 + (m - 1) icc (Kish 1965): m items a prompt, correlated with `icc`. Unequal prompts: m is
    sum n_g^2 / sum n_g."""
    if rows_per_cluster < 1 or not -1 <= icc <= 1:
        raise BenchError(f"{rows_per_cluster} rows a cluster, correlation {icc}; >= 1, in [-1, 1]")
    return 1 + (rows_per_cluster - 1) * icc


def required_items(
    difference: float,
    discordance: float,
    *,
    power: float = POWER,
    alpha: float = ALPHA,
    deff: float = 1.0,
) -> float:
    """Items for McNemar's two-sided test to find `difference` in accuracy with this power
    (Connor 1987): (z_a sqrt(discordance) + z_b sqrt(discordance - difference^2))^2 / difference^2,
    times `deff`. Not rounded. No difference: infinite.

    Raises BenchError unless |difference| <= discordance <= 1, which accuracies always meet.
    """
    _check_shares(difference, discordance)
    z_alpha, z_power = _deviates(power, alpha)
    if difference == 0:
        return math.inf
    spread = math.sqrt(discordance - difference**2)
    return deff * ((z_alpha * math.sqrt(discordance) + z_power * spread) / difference) ** 2


def required_items_for_mean(
    difference: float,
    variance: float,
    *,
    power: float = POWER,
    alpha: float = ALPHA,
    deff: float = 1.0,
) -> float:
    """Items to find a mean difference of credits of any kind, whose `variance` between items is
    known: (z_a + z_b)^2 variance / difference^2 (Miller 2024), times `deff`."""
    if not variance >= 0:
        raise BenchError(f"variance is {variance}; at least 0 expected")
    z_alpha, z_power = _deviates(power, alpha)
    if difference == 0:
        return math.inf
    return deff * variance * ((z_alpha + z_power) / difference) ** 2


def detectable_difference(
    n_items: float,
    discordance: float,
    *,
    power: float = POWER,
    alpha: float = ALPHA,
    deff: float = 1.0,
) -> float:
    """Smallest difference in accuracy that `n_items` would show with this power: the inverse of
    `required_items`, by its quadratic. NaN where not even a difference as large as the discordance
    would show. Raises BenchError for a power that is not above 1/2."""
    _check_shares(0, discordance)
    z_alpha, z_power = _deviates(power, alpha)
    if z_power <= 0:
        raise BenchError(f"power is {power}; above 0.5 expected")
    n = n_items / deff
    if not n > 0:
        return math.nan
    # Square z_b sqrt(s - d^2) = d sqrt(n) - z_a sqrt(s) and take the greater root in d.
    offset = z_alpha * math.sqrt(discordance)
    square = discordance * (n + z_power**2) - offset**2
    if square < 0:
        return math.nan
    found = (offset * math.sqrt(n) + z_power * math.sqrt(square)) / (n + z_power**2)
    return found if found <= discordance else math.nan


def exact_power(
    n_items: int, difference: float, discordance: float, *, alpha: float = ALPHA
) -> float:
    """Power of the exact two-sided McNemar test on independent items: the number m of discordant
    items is binomial, and given m so are the items that the first judge wins."""
    from scipy.special import bdtr
    from scipy.stats import binom

    _check_shares(difference, discordance)
    _deviates(POWER, alpha)
    if n_items < 0:
        raise BenchError(f"{n_items} items; at least 0 expected")
    if discordance == 0:
        return 0.0
    m = np.arange(n_items + 1)
    # The test rejects when the smaller count is below the first k with 2 P(X <= k) > alpha.
    first = np.asarray(binom.ppf(alpha / 2, m, 0.5))
    first = first + (2 * np.asarray(binom.cdf(first, m, 0.5)) <= alpha)
    win = (discordance + difference) / (2 * discordance)
    tails = np.where(first > 0, bdtr(first - 1, m, win) + bdtr(first - 1, m, 1 - win), 0.0)
    return float(np.sum(binom.pmf(m, n_items, discordance) * tails))


def _check_shares(difference: float, discordance: float) -> None:
    if not abs(difference) <= discordance <= 1:
        raise BenchError(
            f"difference {difference} at discordance {discordance}; the discordance must be at "
            "most 1 and the difference no larger than it"
        )


def _deviates(power: float, alpha: float) -> tuple[float, float]:
    """Critical value of the two-sided test, and normal deviate of the power."""
    if not (0 < power < 1 and 0 < alpha < 1):
        raise BenchError(f"power {power}, alpha {alpha}; numbers between 0 and 1 expected")
    return critical_value(1 - alpha), NormalDist().inv_cdf(power)
