"""What a student inherits from its teacher: the size of its biases, and its errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters, Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import cluster_wilson, clustered_t
from bench.stats.logit import CLEAR
from bench.stats.paired import cluster_bonett_price
from bench.stats.resample import REPLICATES, Resample, Statistic
from bench.stats.verdicts import complete, verdicts
from bench.types import BenchError

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Amplification:
    """`ratio`: student over teacher, above 1 the bias grew. `difference`: student less teacher, to
    be read where there is no ratio."""

    teacher: Estimate
    student: Estimate
    ratio: Estimate
    difference: Estimate


def amplification(
    teacher: ArrayLike, student: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> Amplification:
    """`teacher`, `student`: (n,) numbers on the same rows whose means are the two biases: a
    difference per pair (such as judge less human for the longer response), or `Effect.per_row` of
    a regression. `clusters`: (n,) prompt ids.

    Errors and their correlation are clustered (CR1), with t(G_eff - 1); the ratio has Fieller's
    interval, and is degenerate where the teacher's bias is within 1.96 errors of 0 (or of what the
    level asks), as then any ratio may be true.
    """
    top = float(np.finfo(np.float64).max)
    t, s = checked(teacher, -top, top, "teacher"), checked(student, -top, top, "student")
    if t.size != s.size:
        raise BenchError(f"{t.size} rows of the teacher, {s.size} of the student; as many expected")
    groups = Clusters.of(clusters, t.size)
    everywhere = -math.inf, math.inf
    one, two, difference = (
        clustered_t(x, groups, name, level=level, bounds=everywhere)
        for x, name in ((t, "teacher"), (s, "student"), (s - t, "difference"))
    )
    basis = Basis("Fieller", level, t.size, groups.n_clusters)
    bare = next((e for e in (one, two) if math.isnan(e.se)), None)
    if bare is not None:
        return Amplification(one, two, basis.undefined(bare.status, bare.note), difference)
    g, residuals = groups.n_clusters, [groups.sums(x - x.mean()) for x in (t, s)]
    covariance = float(residuals[0] @ residuals[1]) / t.size**2 * g / (g - 1)
    critical = critical_value(level, groups.df)
    lo, hi = fieller(one.estimate, one.se, two.estimate, two.se, covariance, critical)
    if math.isnan(lo):
        note = "the teacher's bias is not clear of 0: read the difference"
        return Amplification(one, two, basis.undefined("degenerate", note), difference)
    ratio = basis.estimate(
        two.estimate / one.estimate, (lo, hi), se=math.nan, n_eff=math.nan, df=groups.df
    )
    return Amplification(one, two, ratio, difference)


def fieller(
    teacher: float,
    teacher_se: float,
    student: float,
    student_se: float,
    covariance: float,
    critical: float,
) -> tuple[float, float]:
    """Interval of student / teacher (Fieller 1954): the ratios r with
    (student - r teacher)^2 <= critical^2 var(student - r teacher). NaN, NaN where that has no
    bounds, or the teacher is within 1.96 errors of 0."""
    c2 = critical**2
    a = teacher**2 - c2 * teacher_se**2
    if a <= 0 or abs(teacher) <= CLEAR * teacher_se:
        return math.nan, math.nan
    b = teacher * student - c2 * covariance
    c = student**2 - c2 * student_se**2
    root = math.sqrt(max(0.0, b**2 - a * c))
    return (b - root) / a, (b + root) / a


@dataclass(frozen=True, slots=True)
class SharedErrors:
    """`both_wrong`: share of items. `lift`: that over what two judges with these error rates would
    share by chance. `phi`: correlation, `kappa`: chance-corrected agreement of being wrong.
    `follows`: share of the teacher's errors where the student says the same wrong thing.
    `own`: share of what the teacher has right that the student has wrong."""

    both_wrong: Estimate
    lift: Estimate
    phi: Estimate
    kappa: Estimate
    follows: Estimate
    own: Estimate


def shared_errors(
    student: ArrayLike,
    teacher: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> SharedErrors:
    """Verdicts (n,) in content coordinates: +1, 0 a tie, -1; wrong is what differs from `human`.
    Rows with a missing verdict (NaN or None) are left out and counted. Coefficients have the
    interval of a cluster bootstrap, shares that of Wilson."""
    (s, t, h), rows = _known(student=student, teacher=teacher, human=human)
    groups, missing = Clusters.of(clusters, rows.size).take(rows), int(np.sum(~rows))
    wrong_s, wrong_t = s != h, t != h
    sample = Resample.of(
        [np.ones(s.size), wrong_s & wrong_t, wrong_s, wrong_t],
        groups,
        replicates=replicates,
        seed=seed,
    )

    def share(values: NDArray[np.bool_], of: NDArray[np.bool_]) -> Estimate:
        its = groups.take(of)
        return cluster_wilson(values[of].astype(float), its, level=level, missing=missing)

    def coefficient(f: Statistic, name: str, bounds: tuple[float, float]) -> Estimate:
        return sample.estimate(f, name, level=level, missing=missing, bounds=bounds)

    return SharedErrors(
        both_wrong=share(wrong_s & wrong_t, np.ones(s.size, bool)),
        lift=coefficient(_lift, "lift", (0, math.inf)),
        phi=coefficient(_phi, "phi", (-1, 1)),
        kappa=coefficient(_error_kappa, "error kappa", (-1, 1)),
        follows=share(s == t, wrong_t),
        own=share(wrong_s, ~wrong_t),
    )


def follows_more(
    student: ArrayLike,
    base: ArrayLike,
    teacher: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
) -> Estimate:
    """How much more often the student than the untrained model that it was made from says what the
    teacher says where the teacher is wrong. Verdicts as in `shared_errors`."""
    (s, b, t, h), rows = _known(student=student, base=base, teacher=teacher, human=human)
    wrong = t != h
    groups = Clusters.of(clusters, rows.size).take(rows).take(wrong)
    more = (s == t).astype(float) - (b == t)
    return cluster_bonett_price(more[wrong], groups, level=level, missing=int(np.sum(~rows)))


def _known(**said: ArrayLike) -> tuple[list[Floats], NDArray[np.bool_]]:
    """The verdicts of the rows where none is missing, and these rows."""
    columns = {name: verdicts(values, name) for name, values in said.items()}
    rows = complete(**columns)
    return [values[rows] for values in columns.values()], rows


def _shares(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Sums of rows, both wrong, student wrong, teacher wrong -> shares of the last three."""
    n, both, student, teacher = sums.T
    rows = np.where(n > 0, n, np.nan)
    return both / rows, student / rows, teacher / rows


def _lift(sums: Floats) -> Floats:
    both, s, t = _shares(sums)
    return _over(both, s * t)


def _phi(sums: Floats) -> Floats:
    both, s, t = _shares(sums)
    return _over(both - s * t, np.sqrt(np.maximum(s * (1 - s) * t * (1 - t), 0)))


def _error_kappa(sums: Floats) -> Floats:
    both, s, t = _shares(sums)
    return _over(2 * (both - s * t), s * (1 - t) + t * (1 - s))


def _over(a: Floats, b: Floats) -> Floats:
    """Quotients, NaN over 0."""
    quotient: Floats = np.divide(a, b, out=np.full(len(a), np.nan), where=b > _ROUNDING)
    return quotient
