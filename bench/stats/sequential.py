"""Looking at the results before the end: what may be read off, and when to stop paying.

Planned looks spend the error rate by a boundary (group sequential). Unplanned ones need a bet: an
e-value is the wealth of someone who bets against equality and cannot expect to gain when it holds.
It may be read after every item; that it ever reaches 1 / alpha has a chance of at most alpha
(Ville 1939).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Floats, Ints, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.types import BenchError

_NODES = 400
_LARGEST = sys.float_info.max
_STAKES = np.array([sign * 2.0**k for k in range(-4, 2) for sign in (1, -1)])


@dataclass(frozen=True, slots=True)
class Looks:
    """Of each planned look: `alpha`, the error spent up to it; `z`, the |z| from which to stop."""

    alpha: tuple[float, ...]
    z: tuple[float, ...]


def obrien_fleming(fractions: Sequence[float], alpha: float = 0.05) -> Looks:
    """Two-sided boundaries of the O'Brien-Fleming type by error spending (Lan & DeMets 1983).

    Each side spends 2 - 2 Phi(z_{alpha/4} / sqrt(t)) up to the share t of the information. The
    boundaries follow one after the other from the law of the sum of those who went on
    (Armitage, McPherson & Rowe 1969), integrated numerically. `fractions`: of the clusters (at
    equal sizes), ascending, the last one at most 1.
    """
    t = checked(fractions, 0, 1, "fractions")
    if t.size == 0 or t[0] <= 0 or (np.diff(t) <= 0).any() or not 0 < alpha < 1:
        raise BenchError(
            f"looks at {t.tolist()}, alpha {alpha}; ascending shares above 0 and an alpha between "
            "0 and 1 expected"
        )
    z = NormalDist().inv_cdf(1 - alpha / 4)
    spent = [2 * math.erfc(z / math.sqrt(2 * share)) for share in t]
    return Looks(tuple(spent), tuple(_boundaries(t, np.diff(spent, prepend=0.0))))


def _boundaries(t: Floats, stopped: Floats) -> list[float]:
    """|z| at each look, such that (looks,) `stopped` of all paths first cross there."""
    from scipy.optimize import brentq

    unit, unit_weights = np.polynomial.legendre.leggauss(_NODES)
    at, mass = np.zeros(1), np.ones(1)  # where the paths that went on are, and how many
    z: list[float] = []
    for step, share, goal in zip(np.diff(t, prepend=0.0), t, stopped, strict=True):
        sd = math.sqrt(step)
        known = (at, mass, sd, goal)
        bound = float(brentq(_surplus, 0, 40 * math.sqrt(share), args=known, xtol=1e-12))
        z.append(bound / math.sqrt(share))
        nodes = bound * unit
        steps = np.exp(-0.5 * ((nodes[:, None] - at) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
        at, mass = nodes, steps @ mass * bound * unit_weights
    return z


def _surplus(bound: float, at: Floats, mass: Floats, sd: float, goal: float) -> float:
    """Paths that the next step takes beyond +-bound, less those that should be."""
    from scipy.special import ndtr

    beyond = ndtr((-bound - at) / sd) + ndtr((at - bound) / sd)
    return float(mass @ beyond) - goal


def mcnemar_e_value(first_only: int, second_only: int) -> float:
    """Evidence that two judges differ, from items of different prompts where only one was right:
    2^n B(b + 1, c + 1), the likelihood ratio of a uniform mixture to a fair coin (Robbins 1970).
    No discordant item: 1. Overflows to infinity."""
    return _exp(_log_mixture(first_only, second_only) + (first_only + second_only) * math.log(2))


def win_share_sequence(first_only: int, second_only: int, level: float = 0.95) -> Estimate:
    """Share of the discordant items that the first judge wins, with its confidence sequence: the
    shares q at which B(b + 1, c + 1) / (q^b (1 - q)^c) stays below 1 / (1 - level).

    It may be read after every item: all its intervals hold together at `level`. It leaves 1/2 out
    exactly when `mcnemar_e_value` is at least 1 / (1 - level). No discordant item: insufficient.
    """
    from scipy.optimize import brentq

    b, c = first_only, second_only
    mixture, n = _log_mixture(b, c), b + c
    if not 0 < level < 1:
        raise BenchError(f"level is {level}; a number between 0 and 1 expected, such as 0.95")
    basis = Basis("confidence sequence, uniform mixture", level, n, n)
    if n == 0:
        return basis.undefined("insufficient", "no discordant item")

    def excess(q: float) -> float:
        """Above 0 where the e-value against the share q is too large."""
        likelihood = (b * math.log(q) if b else 0.0) + (c * math.log1p(-q) if c else 0.0)
        return mixture - likelihood + math.log(1 - level)

    share, edge = b / n, 1e-300
    lo = float(brentq(excess, edge, share, xtol=1e-14)) if b else 0.0
    hi = float(brentq(excess, share, 1 - 1e-16, xtol=1e-14)) if c else 1.0
    se = math.sqrt(share * (1 - share) / n) if b and c else math.nan
    return basis.estimate(share, (lo, hi), se=se, n_eff=float(n), df=math.inf)


def signflip_e_values(sums: ArrayLike) -> Floats:
    """(G,) e-value after each prompt: the anytime counterpart of the sign-flip test.

    `sums`: (G,) sums of a prompt's differences, first judge minus second, in the order in which
    the prompts were finished, each complete. If x is as likely as -x, then exp(l x) / cosh(l x)
    is a fair bet at any stake l (de la Pena 1999); the wealth is averaged over both signs and
    stakes of 1/16 to 2 in powers of 2, so that evidence of either direction counts. Overflows to
    infinity.

    Raises BenchError for a sum that is NaN or infinite, with its position.
    """
    gains = _log_gains(checked(sums, -_LARGEST, _LARGEST, "sums"))
    with np.errstate(over="ignore"):
        wealth: Floats = np.exp(np.cumsum(gains, axis=0)).mean(axis=1)
    return wealth


def _log_gains(x: Floats) -> Floats:
    """(G,) sums -> (G, stakes) log of exp(l x) / cosh(l x)."""
    bets = x[:, None] * _STAKES
    # log cosh y = |y| + log(1 + exp(-2 |y|)) - log 2
    size = np.abs(bets)
    gains: Floats = bets - size - np.log1p(np.exp(-2 * size)) + math.log(2)
    return gains


@dataclass(frozen=True, eq=False)
class MeanSequence:
    """Of each look, (looks,) arrays: prompts seen so far; the mean difference of their rows; its
    confidence sequence. `lo` and `hi` are infinite while there are too few prompts to say."""

    prompts: Ints
    mean: Floats
    lo: Floats
    hi: Floats


def mean_difference_sequence(
    sums: ArrayLike,
    sizes: ArrayLike,
    *,
    level: float = 0.95,
    looks: ArrayLike | None = None,
) -> MeanSequence:
    """Mean difference of two judges, read off as often as one likes: all intervals hold together at
    `level`. An interval holds the shifts m at which `signflip_e_values` of (sum - m size), all
    prompts so far, is below 1 / (1 - level). So it leaves 0 out exactly when the e-value of the
    sums themselves is no smaller, and holds the mean, where no bet gains.

    It is right where (sum - m size) of a prompt is as likely as its negative at the true m. As the
    intervals hold together, so does what they share (`np.maximum.accumulate(lo)`).

    `sums`: (G,) sums of a prompt's differences, in the order in which the prompts were finished.
    `sizes`: (G,) rows of each, at least 1. `looks`: numbers of prompts, each 1 to G; by default
    every one, at a cost of G^2.
    """
    x, n = checked(sums, -_LARGEST, _LARGEST, "sums"), checked(sizes, 1, _LARGEST, "sizes")
    if x.size != n.size:
        raise BenchError(f"{x.size} sums and {n.size} sizes; one each per prompt expected")
    critical_value(level)  # refuses a level outside (0, 1)
    every = np.arange(1, x.size + 1) if looks is None else looks
    prompts = checked(every, 1, x.size, "looks").astype(np.int64)
    mean = (np.cumsum(x) / np.cumsum(n))[prompts - 1]
    bar = -math.log(1 - level)
    ends = [[_edge(x[:g], n[:g], bar, side) for g in prompts.tolist()] for side in (-1, 1)]
    return MeanSequence(prompts, mean, *(np.array(end, np.float64) for end in ends))


def _edge(sums: Floats, sizes: Floats, bar: float, side: int) -> float:
    """The shift nearest the mean, on one side of it, where the log of the wealth reaches `bar`."""
    from scipy.optimize import brentq

    def excess(away: float) -> float:
        gains = _log_gains(sums - (mean + side * away) * sizes).sum(axis=0)
        most = float(gains.max())
        return most + math.log(np.exp(gains - most).mean()) - bar

    mean = float(sums.sum() / sizes.sum())
    if (sums.size - 1) * math.log(2) <= bar:  # a bet at most doubles, and half of them lose
        return side * math.inf
    near, far = 0.0, 1e-3
    while excess(far) < 0:
        near, far = far, 2 * far
    return mean + side * float(brentq(excess, near, far, xtol=1e-12))


def _log_mixture(b: int, c: int) -> float:
    """log B(b + 1, c + 1)."""
    if b < 0 or c < 0:
        raise BenchError(f"discordant counts {b} and {c}; at least 0 expected")
    return math.lgamma(b + 1) + math.lgamma(c + 1) - math.lgamma(b + c + 2)


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf
