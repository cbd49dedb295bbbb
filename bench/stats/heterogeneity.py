"""Do the domains tell one story? Spread, reversal, and the overall mean that contradicts them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Floats, checked, critical_value
from bench.stats.estimate import Estimate
from bench.stats.multiplicity import holm
from bench.types import BenchError

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Spread:
    """Cochran's Q with its degrees of freedom and p, and I^2, the share of Q beyond chance."""

    q: float
    df: int
    p: float
    i2: float


@dataclass(frozen=True, slots=True)
class Reversal:
    """Gail & Simon's test that effects have both signs: statistic min(Q+, Q-) and p."""

    q_plus: float
    q_minus: float
    statistic: float
    p: float


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Whether an overall sentence may stand without the domain table.

    `flag`: any reason holds. `reasons`: in words. `opposite`: names of the domains that differ
    significantly (Holm) against the macro mean. `reversal`: Gail & Simon over the domains.
    """

    flag: bool
    reasons: tuple[str, ...]
    opposite: tuple[str, ...]
    reversal: Reversal


def cochran_q(differences: ArrayLike, variances: ArrayLike) -> Spread:
    """Q = sum w (d - mean_w)^2 with w = 1 / variance (Cochran 1954), chi-square with K - 1 degrees
    of freedom; I^2 = max(0, (Q - df) / Q) (Higgins & Thompson 2002). Fewer than two: NaN."""
    from scipy.special import chdtrc

    d, v = effects(differences, variances)
    df = d.size - 1
    if df < 1:
        return Spread(math.nan, max(df, 0), math.nan, math.nan)
    centre = float(np.average(d, weights=1 / v))
    q = float(np.sum((d - centre) ** 2 / v))
    return Spread(q, df, float(chdtrc(df, q)), max(0.0, 1 - df / q) if q > 0 else 0.0)


def gail_simon(differences: ArrayLike, variances: ArrayLike) -> Reversal:
    """Likelihood-ratio test of a qualitative interaction (Gail & Simon 1985).

    Q+ and Q- are the sums of d^2 / variance over effects above and below 0; the smaller one is
    compared with a mixture of chi-squares of 1..K - 1 degrees of freedom, weighted binomially. One
    sign only: p is 1. Fewer than two effects: p is NaN.
    """
    from scipy.special import chdtrc

    d, v = effects(differences, variances)
    plus, minus = (float(np.sum((d**2 / v)[side])) for side in (d > 0, d < 0))
    low, k = min(plus, minus), d.size - 1
    if k < 1:
        return Reversal(plus, minus, low, math.nan)
    tail = math.fsum(math.comb(k, h) * float(chdtrc(h, low)) for h in range(1, k + 1)) / 2**k
    return Reversal(plus, minus, low, tail if low > 0 else 1.0)


def effects(differences: ArrayLike, variances: ArrayLike) -> tuple[Floats, Floats]:
    """(K,) effects and their (K,) variances, checked: finite, as many, variances above 0."""
    d = checked(differences, -math.inf, math.inf, "differences")
    v = checked(variances, 0, math.inf, "variances")
    if d.size != v.size:
        raise BenchError(f"{d.size} differences with {v.size} variances; one each expected")
    bad = ~(np.isfinite(d) & np.isfinite(v) & (v > 0))
    if bad.any():
        i = int(np.argmax(bad))
        raise BenchError(
            f"effect {i} is {d[i]} with variance {v[i]}; finite numbers and a variance above 0 "
            "expected"
        )
    return d, v


def contradiction(
    overall: float, pooled: float, domains: Sequence[Estimate], names: Sequence[str]
) -> Contradiction:
    """Is the overall difference contradicted by its parts?

    Reasons: macro and micro mean have opposite signs (Simpson's paradox); Gail & Simon's p is
    below 5 %; a domain differs from 0 against the macro mean, at 5 % after Holm over the domains.

    `overall`, `pooled`: macro and micro mean. `domains`: differences with intervals; those without
    interval are passed over. `names`: of the domains.
    """
    if len(names) != len(domains):
        raise BenchError(f"{len(names)} names for {len(domains)} domains; one each expected")
    known = [(n, e) for n, e in zip(names, domains, strict=True) if not math.isnan(e.lo)]
    values = [e.estimate for _, e in known]
    reversal = gail_simon(values, [working_variance(e) for _, e in known])
    adjusted = holm([two_sided_p(e) for _, e in known])
    opposite = tuple(
        name for (name, e), p in zip(known, adjusted, strict=True)
        if e.estimate * overall < 0 and p < ALPHA
    )  # fmt: skip
    reasons = []
    if overall * pooled < 0:
        reasons.append("macro and micro mean have opposite signs")
    if reversal.p < ALPHA:
        reasons.append(f"domains of both signs (Gail-Simon p = {reversal.p:.2g})")
    if opposite:
        reasons.append(f"significant the other way: {', '.join(opposite)}")
    return Contradiction(bool(reasons), tuple(reasons), opposite, reversal)


def working_variance(estimate: Estimate) -> float:
    """Squared standard error; where the data show no variation, that of the half width of the
    interval, so that a domain without any difference has no infinite weight. NaN without both."""
    return _half_error(estimate) ** 2 if math.isnan(estimate.se) else estimate.se**2


def two_sided_p(estimate: Estimate) -> float:
    """p that goes with the interval: of t = its middle over its half width in units of the critical
    value. It is below 1 - level exactly when the interval leaves 0 out. NaN without an interval."""
    from scipy.special import stdtr

    middle = (estimate.lo + estimate.hi) / 2
    return 2 * float(stdtr(_df(estimate), -abs(middle) / _half_error(estimate)))


def _half_error(estimate: Estimate) -> float:
    half = (estimate.hi - estimate.lo) / 2
    return half / critical_value(estimate.level, _df(estimate))


def _df(estimate: Estimate) -> float:
    """Where an estimate has none its critical value was combined from others: the normal one."""
    return math.inf if math.isnan(estimate.df) else estimate.df
