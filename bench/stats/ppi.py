"""A win rate that humans would give, from few human labels and many verdicts of a judge.

`prediction_powered` needs labels of a random sample of the very items it is about. `rogan_gladen`
takes the judge's error rates from elsewhere, and is right only if they are the same here; they are
not when the judge favours a model, a length or itself, so compare them between systems first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import NO_VARIANCE, Clusters, Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import NO_ERROR, cluster_wilson
from bench.stats.paired import cluster_bonett_price
from bench.stats.recalibrate import folds
from bench.types import BenchError

MIN_LABELS = 20
CROSS_FIT_BELOW = 200
"""Labels below which the weight of the judge is fitted on other prompts."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """Mean human value of a population of items. `human`: of the labelled alone. `judge`: mean of
    all verdicts, which has the judge's `bias`, mean verdict less label. `corrected`: PPI++.
    `weight`: of the judge in it, 0 not used, 1 plain PPI. `n_ratio`: labels that `human` would need
    for the error of `corrected`, over those it has."""

    human: Estimate
    judge: Estimate
    bias: Estimate
    corrected: Estimate
    weight: float
    n_ratio: float


def prediction_powered(
    labels: ArrayLike,
    verdicts: ArrayLike,
    unlabelled: ArrayLike,
    clusters: ArrayLike,
    unlabelled_clusters: ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
    seed: int = 0,
) -> Corrected:
    """PPI++ (Angelopoulos, Duchi & Zrnic 2023) for a mean.

    With human labels Y, verdicts f on the same items and f' on the others it is
    mean(Y) + w (mean f' - mean f), unbiased for any fixed w. `ppi_weight` gives w; with fewer than
    200 labels each fold of prompts takes that of the other folds. The variance is the CR1 one of
    what each prompt adds, whether its items are labelled or not; t(G_eff - 1) of the labelled.

    `labels`, `verdicts`: (n,) in [0, 1], ties 1/2. `unlabelled`: (N,) verdicts. `clusters`,
    `unlabelled_clusters`: (n,) and (N,) prompt ids of one scheme. `missing`: items the judge gave
    no verdict on. `seed`: of the folds.

    `corrected` is refused (NaN) with fewer than 20 labels, labels of one value only, nothing
    unlabelled or labels of one prompt; what is beside it is not.
    """
    y, f = checked(labels, 0, 1, "labels"), checked(verdicts, 0, 1, "verdicts")
    u = checked(unlabelled, 0, 1, "unlabelled")
    if y.size != f.size:
        raise BenchError(f"{y.size} labels and {f.size} verdicts on them; one each expected")
    groups = Clusters.of(clusters, y.size)
    ids = [np.atleast_1d(np.asarray(x, object)) for x in (clusters, unlabelled_clusters)]
    every = Clusters.of(np.concatenate(ids), y.size + u.size)
    human = cluster_wilson(y, groups, level=level)
    judge = cluster_wilson(np.concatenate([f, u]), every, level=level, missing=missing)
    bias = cluster_bonett_price(f - y, groups, level=level)
    basis = Basis("PPI++, CR1", level, y.size, groups.n_clusters, missing)
    refused = _refusal(basis, y, u, groups)
    if refused:
        return Corrected(human, judge, bias, refused, math.nan, math.nan)
    w = _weights(y, f, u, groups, seed)
    corrected = _corrected(basis, y - w * (f - u.mean()), float(w.mean()) * u, groups, every)
    ratio = (human.se / corrected.se) ** 2
    corrected = replace(corrected, n_eff=human.n_eff * ratio)
    return Corrected(human, judge, bias, corrected, float(w.mean()), ratio)


def _corrected(
    basis: Basis, parts: Floats, weighted: Floats, groups: Clusters, every: Clusters
) -> Estimate:
    """Mean of the (n,) parts of labelled rows. `weighted`: (N,) unlabelled verdicts times their
    weight, which add the error of their mean. `every`: clusters of both, one after the other."""
    value, g = float(parts.mean()), groups.n_clusters
    influence = [(x - x.mean()) / x.size for x in (parts, weighted)]
    variance = float(np.sum(every.sums(np.concatenate(influence)) ** 2)) * g / (g - 1)
    if variance < NO_VARIANCE:
        return basis.undefined("degenerate", NO_ERROR, value)
    se = math.sqrt(variance)
    half = critical_value(basis.level, groups.df) * se
    inside = 0 <= value <= 1
    return basis.estimate(
        value,
        (value - half, value + half),
        se=se,
        n_eff=math.nan,
        df=groups.df,
        status=None if inside else "out_of_range",
        note="" if inside else "outside [0, 1]: too few labels",
    )


def _refusal(basis: Basis, y: Floats, u: Floats, groups: Clusters) -> Estimate | None:
    if y.size < MIN_LABELS:
        return basis.undefined("insufficient", f"{y.size} labels; {MIN_LABELS} needed")
    if u.size == 0:
        return basis.undefined("insufficient", "no item beyond the labelled")
    if np.ptp(y) == 0:
        return basis.undefined("degenerate", "labels of one value only")
    if groups.n_clusters == 1:
        return basis.undefined("one_cluster", "labels of one prompt: their error is unknown")
    return None


def ppi_weight(labels: Floats, verdicts: Floats, unlabelled: Floats) -> float:
    """Cov(Y, f) / ((1 + n / N) Var f), cut to [0, 1]: the weight of least variance for independent
    items. Var f is that of all verdicts; 0 where they do not vary."""
    spread = float(np.concatenate([verdicts, unlabelled]).var())
    covariance = float(np.mean((labels - labels.mean()) * (verdicts - verdicts.mean())))
    if spread < NO_VARIANCE:
        return 0.0
    return min(1.0, max(0.0, covariance / ((1 + labels.size / unlabelled.size) * spread)))


def _weights(y: Floats, f: Floats, u: Floats, groups: Clusters, seed: int) -> Floats:
    """(n,) weight for each labelled row, from other prompts where labels are few."""
    if y.size >= CROSS_FIT_BELOW:
        return np.full(y.size, ppi_weight(y, f, u))
    fold, weights = folds(groups, seed=seed), np.empty(y.size)
    for k in np.unique(fold):
        weights[fold == k] = ppi_weight(y[fold != k], f[fold != k], u)
    return weights


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `n`; both may be fractional, to count clustered rows by their effective number."""

    hits: float
    n: float

    @property
    def value(self) -> float:
        return self.hits / self.n

    @property
    def variance(self) -> float:
        return self.value * (1 - self.value) / self.n

    def plus(self, hits: float, n: float) -> Share:
        return Share(self.hits + hits, self.n + n)


@dataclass(frozen=True, slots=True)
class RoganGladen:
    """Share corrected for the judge's error rates. `apparent`: before. `delta`: the estimate of
    Rogan & Gladen (1978) with the delta method. `adjusted`: that of Lang & Reiczigel (2014), whose
    interval holds its level also for small samples: the default to report."""

    apparent: float
    delta: Estimate
    adjusted: Estimate


def rogan_gladen(
    wins: Share, sensitivity: Share, specificity: Share, *, level: float = 0.95
) -> RoganGladen:
    """(p + sp - 1) / (se + sp - 1) with the errors of all three shares, taken as independent.

    `wins`: items that the judge says are won. `sensitivity`: of items that humans say are won,
    those that the judge says are; `specificity`: likewise lost. Estimates are cut to [0, 1]: then
    out_of_range, with the raw one in the note. Shares of 0 and 1 that leave the delta method no
    error: `delta` is degenerate. se + sp <= 1, a judge no better than chance: NaN, out_of_range.
    Raises BenchError for a share of nothing or outside [0, 1].
    """
    for name, s in (("wins", wins), ("sensitivity", sensitivity), ("specificity", specificity)):
        if not 0 <= s.hits <= s.n or not 0 < s.n < math.inf:
            raise BenchError(f"{name} is {s.hits} of {s.n}; 0 to n of an n above 0 expected")
    z = critical_value(level)
    n = round(wins.n)
    delta = Basis("Rogan-Gladen, delta method", level, n, n)
    adjusted = Basis("Rogan-Gladen, Lang-Reiczigel", level, n, n)
    if sensitivity.value + specificity.value <= 1:
        lost = "sensitivity + specificity is at most 1: the judge tells nothing"
        undefined = (b.undefined("out_of_range", lost) for b in (delta, adjusted))
        return RoganGladen(wins.value, *undefined)
    value, se = _solved(wins, sensitivity, specificity)
    plain = _cut(delta, value, value, z * se, se)
    # Agresti-Coull counts: one imagined row of each kind for the error rates, z^2 / 2 for the wins.
    hit, miss = sensitivity.plus(1, 2), specificity.plus(1, 2)
    moved, se = _solved(wins.plus(z**2 / 2, z**2), hit, miss)
    shift = 2 * z**2 * (moved * hit.variance - (1 - moved) * miss.variance)
    return RoganGladen(wins.value, plain, _cut(adjusted, moved + shift, moved + shift, z * se, se))


def _solved(wins: Share, sensitivity: Share, specificity: Share) -> tuple[float, float]:
    """Corrected share and its delta-method error."""
    slope = sensitivity.value + specificity.value - 1
    share = (wins.value + specificity.value - 1) / slope
    variance = (
        wins.variance + share**2 * sensitivity.variance + (1 - share) ** 2 * specificity.variance
    )
    return share, math.sqrt(variance) / slope


def _cut(basis: Basis, raw: float, centre: float, half: float, se: float) -> Estimate:
    value, lo, hi = (min(1.0, max(0.0, x)) for x in (raw, centre - half, centre + half))
    outside = value != raw
    if se**2 < NO_VARIANCE:
        return basis.undefined("degenerate", NO_ERROR, value)
    return basis.estimate(
        value,
        (lo, hi),
        se=se,
        n_eff=math.nan,
        df=math.inf,
        status="out_of_range" if outside else None,
        note=f"{raw:.3g} before it was cut to [0, 1]" if outside else "",
    )
