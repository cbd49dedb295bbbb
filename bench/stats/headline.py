"""The headline: what one paired difference says about a judge, at a margin fixed beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from bench.stats.clusters import critical_value
from bench.stats.estimate import Estimate
from bench.types import BenchError

Verdict = Literal["superior", "equivalent", "non-inferior", "inferior", "undecided", "undefined"]

MARGIN = 0.02
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Headline:
    """One verdict, and every fact it was made from.

    `superior`, `inferior`: the 95 % interval lies above, below 0. `non_inferior`: it lies above
    -margin. `equivalent`: the 90 % interval lies within +-margin, which is two one-sided tests at
    5 % (Schuirmann 1987). The word is the first of superior, inferior, equivalent, non-inferior
    that holds, else undecided; undefined where there is no interval. So a judge that is worse by
    less than the margin is called inferior and keeps `equivalent` or `non_inferior` beside it
    (`note` says so), and an equivalent one need not be non-inferior, which is the harder test
    (2.5 %).

    `smallest_margin`: every margin above it would give non-inferiority; 0 when the interval lies
    above 0. `smallest_equivalence`: likewise for equivalence. `mde`: difference that such data
    would show with a power of 80 %.
    """

    verdict: Verdict
    estimate: Estimate
    estimate90: Estimate
    margin: float
    superior: bool
    non_inferior: bool
    equivalent: bool
    inferior: bool
    smallest_margin: float
    smallest_equivalence: float
    mde: float
    note: str = ""


def headline(estimate: Estimate, estimate90: Estimate, margin: float = MARGIN) -> Headline:
    """Verdict on a difference (first judge minus second; above 0 the first is better).

    `estimate`, `estimate90`: one difference with its intervals at 95 and 90 % (in general at
    1 - a and 1 - 2a), in credits. `margin`: the loss that does not matter, in credits.

    Raises BenchError for a margin that is not above 0, or estimates that do not belong together.
    """
    if not 0 < margin < math.inf:
        raise BenchError(f"margin is {margin}; a number above 0 expected, such as {MARGIN}")
    _check_pair(estimate, estimate90)
    lo, hi = estimate.lo, estimate.hi
    # Comparisons with NaN are false, so no interval means no fact.
    superior, inferior = lo > 0, hi < 0
    non_inferior = lo > -margin
    equivalent = estimate90.lo > -margin and estimate90.hi < margin
    return Headline(
        verdict=_verdict(estimate, superior, inferior, equivalent, non_inferior),
        estimate=estimate,
        estimate90=estimate90,
        margin=margin,
        superior=superior,
        non_inferior=non_inferior,
        equivalent=equivalent,
        inferior=inferior,
        smallest_margin=math.nan if math.isnan(lo) else max(0.0, -lo),
        smallest_equivalence=max(-estimate90.lo, estimate90.hi),
        mde=detectable(estimate),
        note=_note(estimate, superior or inferior, equivalent, inferior and non_inferior),
    )


def _check_pair(estimate: Estimate, estimate90: Estimate) -> None:
    wanted = 2 * estimate.level - 1
    if not math.isclose(estimate90.level, wanted, abs_tol=1e-9):
        raise BenchError(
            f"intervals at {estimate.level:g} and {estimate90.level:g}; the second at {wanted:g} "
            "expected, which leaves twice as much out"
        )
    same = math.isclose(estimate.estimate, estimate90.estimate, abs_tol=1e-9)
    if not same and not (math.isnan(estimate.estimate) and math.isnan(estimate90.estimate)):
        raise BenchError(
            f"two differences, {estimate.estimate:g} and {estimate90.estimate:g}; one at two "
            "levels expected"
        )


def _verdict(
    estimate: Estimate, superior: bool, inferior: bool, equivalent: bool, non_inferior: bool
) -> Verdict:
    if math.isnan(estimate.lo):
        return "undefined"
    if superior:
        return "superior"
    if inferior:
        return "inferior"
    if equivalent:
        return "equivalent"
    return "non-inferior" if non_inferior else "undecided"


def _note(estimate: Estimate, differs: bool, equivalent: bool, within: bool) -> str:
    if math.isnan(estimate.lo):
        return estimate.note
    if differs and equivalent:
        return "the difference is real and within the margin"
    return "the loss is real and within the margin" if within else ""


def detectable(estimate: Estimate) -> float:
    """Smallest true difference that a test at this level would find with a power of 80 %, after
    the width of the interval: half width times (1 + z_power / z). NaN without interval.

    For Wald's interval of a difference that is the usual (z + z_power) standard errors.
    """
    z = critical_value(estimate.level)
    return (estimate.hi - estimate.lo) / 2 * (1 + NormalDist().inv_cdf(POWER) / z)


@dataclass(frozen=True, slots=True)
class Tost:
    """p-values of two one-sided tests: against a loss of `margin` or more, against a gain of
    `margin` or more, and the larger of both, which is that of equivalence."""

    p_noninferior: float
    p_nonsuperior: float
    p: float


def tost(difference: float, se: float, df: float, margin: float = MARGIN) -> Tost:
    """Two one-sided t tests (Schuirmann 1987) of a difference with its standard error. NaN
    without an error: no error is known to be 0."""
    from scipy.special import stdtr

    if not margin > 0:
        raise BenchError(f"margin is {margin}; a number above 0 expected, such as {MARGIN}")
    if not se > 0:
        return Tost(math.nan, math.nan, math.nan)
    low = float(stdtr(df, -(difference + margin) / se))
    high = float(stdtr(df, (difference - margin) / se))
    return Tost(low, high, max(low, high))
