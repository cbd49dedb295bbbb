"""Keeping only confident verdicts: risk against coverage, and a threshold with a guarantee.

`confidence`: (n,) in [0, 1]. `correct`: (n,) 1 where the verdict is right, 0 where not, or a credit
between. Risk is 1 - mean credit of the verdicts kept; coverage their share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.calibration import confidences
from bench.stats.clusters import NO_VARIANCE, Clusters, Floats, checked, clustered_mean
from bench.stats.estimate import Estimate
from bench.stats.intervals import clustered_t
from bench.types import BenchError


def selective_risks(confidence: ArrayLike, correct: ArrayLike) -> Floats:
    """(n,) expected risk of the 1, 2, .. n most confident verdicts; among equal confidences every
    order is as likely."""
    c, y = confidences(confidence, correct)
    return _risks(c, 1 - y)


def _risks(confidence: Floats, errors: Floats) -> Floats:
    _, codes, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    mean = np.bincount(codes, weights=errors, minlength=counts.size) / counts
    expected = np.repeat(mean, counts)
    risks: Floats = np.cumsum(expected) / np.arange(1, errors.size + 1)
    return risks


@dataclass(frozen=True, slots=True)
class Aurc:
    """Area under the risk-coverage curve, the mean of `selective_risks` (Geifman, Uziel & El-Yaniv
    2019). `excess`: above `oracle`, the area when every right verdict is more confident than every
    wrong one. `random`: the risk at full coverage, which a confidence that says nothing has."""

    aurc: Estimate
    excess: Estimate
    oracle: float
    random: float


def aurc(
    confidence: ArrayLike,
    correct: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Aurc:
    """AURC and excess AURC, in [0, 1], small is good.

    Intervals: CR1 error of the influence function of E[error * -log(coverage at its confidence)],
    with t(G_eff - 1). One cluster, or no variation: no interval. Fewer than two rows: insufficient.
    """
    c, y = confidences(confidence, correct)
    errors, groups = 1 - y, Clusters.of(clusters, c.size)
    if c.size == 0:
        empty = clustered_t(errors, groups, "AURC", level=level, missing=missing, bounds=(0, 1))
        return Aurc(empty, empty, math.nan, math.nan)
    area, best = float(_risks(c, errors).mean()), float(_risks(-errors, errors).mean())
    random = float(errors.mean())
    of_area = _influence(c, errors)
    # The oracle's area is e + (1 - e) log(1 - e) in the limit, which e moves by -log(1 - e).
    of_best = -math.log1p(-random) * (errors - random) if random < 1 else np.zeros(c.size)
    found = [
        _with_error(value, influence, groups, name, level, missing)
        for value, influence, name in (
            (area, of_area, "AURC"),
            (area - best, of_area - of_best, "excess AURC"),
        )
    ]
    return Aurc(found[0], found[1], best, random)


def _influence(confidence: Floats, errors: Floats) -> Floats:
    """(n,) n times what one row adds to the area. A row adds its error, and by being kept it
    dilutes the errors of all that are no more confident.

    The errors of one confidence, where coverage goes from a to b, weigh W(a, b), the mean of
    -log(u) for u in [a, b].
    """
    n = errors.size
    _, codes, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    mass = np.bincount(codes, weights=errors, minlength=counts.size) / n
    b = np.cumsum(counts) / n
    a = np.append(0.0, b[:-1])
    log_a, log_b = np.log(np.where(a > 0, a, 1)), np.log(b)  # a log(a) is 0 at 0
    weight = 1 - (b * log_b - a * log_a) / (b - a)
    by_b = mass * (-log_b - weight) / (b - a)  # more rows of this confidence
    by_both = mass * (log_a - log_b) / (b - a)  # more rows above it; none are above the first
    below = np.cumsum(by_both[::-1])[::-1] - by_both
    own = weight[codes] * errors
    influence: Floats = own - own.mean() + errors.mean() + by_b[codes] + below[codes]
    return influence


def _with_error(
    value: float, influence: Floats, groups: Clusters, name: str, level: float, missing: int
) -> Estimate:
    """`value` with the error and the t interval of the mean influence."""
    centred = value + influence - influence.mean()
    return clustered_t(centred, groups, name, level=level, missing=missing, bounds=(0, 1))


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Verdicts with a confidence of at least `threshold` are kept."""

    threshold: float
    coverage: float
    risk: float


def coverage_at_risk(confidence: ArrayLike, correct: ArrayLike, risk: float) -> OperatingPoint:
    """The threshold that keeps most verdicts at an observed risk of at most `risk`. It is chosen
    on the rows it is measured on, so it flatters: `guarantee` does not. None such: coverage 0,
    threshold infinite, risk NaN."""
    c, y = confidences(confidence, correct)
    risks = _risks(c, 1 - y)
    ordered = np.sort(c)[::-1]
    last_of_tie = np.append(ordered[1:] != ordered[:-1], True)[: c.size]
    fit = np.flatnonzero(last_of_tie & (risks <= risk + 1e-12))
    if fit.size == 0:
        return OperatingPoint(math.inf, 0.0, math.nan)
    k = int(fit[-1])
    return OperatingPoint(float(ordered[k]), (k + 1) / c.size, float(risks[k]))


@dataclass(frozen=True, slots=True)
class Step:
    """One tested threshold: `n` rows kept, `errors` of them wrong, `deff` their design effect,
    `upper` the one-sided bound of the risk. Without a row kept, `upper` is 1."""

    threshold: float
    n: int
    errors: float
    deff: float
    upper: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Guarantee:
    """`threshold`: with probability 1 - delta the risk of what it keeps is at most `risk`; NaN when
    none passed. `coverage`: share it keeps, 0 for none. `steps`: all that was given, strict to
    loose."""

    threshold: float
    coverage: float
    risk: float
    delta: float
    steps: tuple[Step, ...]


def guarantee(
    confidence: ArrayLike,
    correct: ArrayLike,
    clusters: Clusters | ArrayLike,
    thresholds: Sequence[float],
    *,
    risk: float,
    delta: float = 0.05,
) -> Guarantee:
    """The loosest threshold up to which every stricter one bounds the risk.

    Fixed-sequence testing (Bauer 1991; for judges Jung, Brahman & Choi 2024): from strict to loose,
    each with a one-sided Clopper-Pearson bound at 1 - delta, stopping at the first that exceeds
    `risk`, even if a later one would not. The thresholds must not come from these rows.

    Where rows share prompts both counts are divided by the design effect of the errors, of the
    rows kept or of all, whichever is larger; where no error varies, by n / G_eff. Raises BenchError
    unless 0 < risk < 1 and 0 < delta < 1.
    """
    c, y = confidences(confidence, correct)
    groups = Clusters.of(clusters, c.size)
    grid = np.unique(checked(thresholds, -math.inf, math.inf, "thresholds"))[::-1]
    for name, value in (("risk", risk), ("delta", delta)):
        if not 0 < value < 1:
            raise BenchError(f"{name} is {value}; a number between 0 and 1 expected")
    steps = [_step(float(t), c >= t, 1 - y, groups, risk, delta) for t in grid]
    passed = [s.passed for s in steps]
    n_good = passed.index(False) if False in passed else len(steps)
    if n_good == 0:
        return Guarantee(math.nan, 0.0, risk, delta, tuple(steps))
    last = steps[n_good - 1]
    return Guarantee(last.threshold, last.n / c.size, risk, delta, tuple(steps))


def _step(
    threshold: float,
    kept: np.ndarray[tuple[int], np.dtype[np.bool_]],
    errors: Floats,
    groups: Clusters,
    risk: float,
    delta: float,
) -> Step:
    from scipy.special import betaincinv

    n, wrong = int(kept.sum()), float(errors[kept].sum())
    if n == 0:
        return Step(threshold, 0, 0.0, 1.0, 1.0, False)
    deff = _deff(errors[kept], groups.take(kept), errors, groups)
    upper = float(betaincinv(wrong / deff + 1, (n - wrong) / deff, 1 - delta)) if wrong < n else 1.0
    return Step(threshold, n, wrong, deff, upper, upper <= risk)


def _deff(kept: Floats, its_groups: Clusters, errors: Floats, groups: Clusters) -> float:
    """Design effect to divide counts by; 1 where no two rows kept share a prompt."""
    if its_groups.n_clusters == its_groups.n_items:
        return 1.0
    worst = its_groups.n_items / its_groups.n_effective
    if its_groups.n_clusters == 1 or errors.var() < NO_VARIANCE:
        return worst
    return max(clustered_mean(kept, its_groups).deff, clustered_mean(errors, groups).deff)
