"""Confidence against outcome: scores of a judge's stated probability of being right.

`confidence`: (n,) probability that the verdict is right, in [0, 1]. `correct`: (n,) 1 where it is
right, 0 where not, or the share of humans who agree. Verdicts without a confidence, and ties, are
left out by the caller and counted as `missing`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import (
    Clusters,
    Floats,
    checked,
    critical_value,
    mean_variance,
)
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import NO_ERROR, clustered_t, score_interval
from bench.stats.paired import cluster_bonett_price
from bench.stats.resample import REPLICATES, bootstrap
from bench.types import BenchError

CLIP = 1e-6
"""Confidences are kept this far from 0 and 1 before a logarithm."""


def confidences(confidence: ArrayLike, correct: ArrayLike) -> tuple[Floats, Floats]:
    """Both as floats. Raises BenchError for values outside [0, 1] or unequal lengths."""
    c, y = checked(confidence, 0, 1, "confidence"), checked(correct, 0, 1, "correct")
    if c.size != y.size:
        raise BenchError(f"{c.size} confidences for {y.size} outcomes; one each expected")
    return c, y


def brier(
    confidence: ArrayLike,
    correct: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """Mean of (confidence - correct)^2 (Brier 1950), with the interval of `clustered_t`."""
    c, y = confidences(confidence, correct)
    groups = Clusters.of(clusters, c.size)
    return clustered_t(
        (c - y) ** 2, groups, "Brier score", level=level, missing=missing, bounds=(0, 1)
    )


def brier_skill(
    confidence: ArrayLike,
    correct: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """1 - Brier score / that of the overall accuracy given to every verdict: 1 perfect, 0 as good
    as that, below 0 worse. One outcome only: NaN, degenerate."""
    c, y = confidences(confidence, correct)

    def skill(sums: Floats) -> Floats:
        n, loss, total, squares = sums.T
        n = np.where(n > 0, n, np.nan)
        spread = squares / n - (total / n) ** 2
        value: Floats = 1 - loss / n / np.where(spread > 1e-12, spread, np.nan)
        return value

    columns = [np.ones(c.size), (c - y) ** 2, y, y**2]
    return bootstrap(
        columns,
        clusters,
        skill,
        "Brier skill",
        level=level,
        missing=missing,
        bounds=(-math.inf, 1),
        replicates=replicates,
        seed=seed,
    )


def overconfidence(
    confidence: ArrayLike,
    correct: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """Mean confidence - accuracy, in [-1, 1]: above 0 the judge is right less often than it says.
    Interval of `cluster_bonett_price`."""
    c, y = confidences(confidence, correct)
    return cluster_bonett_price(c - y, clusters, level=level, missing=missing)


def log_loss(
    confidence: ArrayLike,
    correct: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """Mean of -log(probability of what happened), in nats, with the interval of `clustered_t`.
    Confidences are clipped to [1e-6, 1 - 1e-6]; the note counts those that were."""
    c, y = confidences(confidence, correct)
    inside = np.clip(c, CLIP, 1 - CLIP)
    loss = -(y * np.log(inside) + (1 - y) * np.log1p(-inside))
    clipped = int(np.count_nonzero(inside != c))
    e = clustered_t(
        loss,
        Clusters.of(clusters, c.size),
        "log loss",
        level=level,
        missing=missing,
        bounds=(0, math.inf),
    )
    note = f"{clipped} confidences clipped to {CLIP:g} from 0 or 1" if clipped else ""
    return replace(e, note="; ".join(filter(None, (e.note, note))))


def auroc(
    confidence: ArrayLike,
    correct: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """Probability that a right verdict has more confidence than a wrong one, ties counting 1/2.

    Variance from the placement values (DeLong, DeLong & Clarke-Pearson 1988), summed by prompt
    (Obuchowski 1997); interval t(G_eff - 1) on the logit scale. At 0 and 1 that error is 0, and
    the interval is Wilson's for as many rows as the rarer class has. `correct`: 0 or 1.

    One class only: NaN, degenerate. One cluster: no interval.
    """
    c, y = confidences(confidence, correct)
    if not np.isin(y, (0, 1)).all():
        i = int(np.argmin(np.isin(y, (0, 1))))
        raise BenchError(f"correct[{i}] is {y[i]:g}; 0 or 1 expected for AUROC")
    groups, right = Clusters.of(clusters, c.size), y == 1
    basis = Basis("AUROC, clustered DeLong", level, c.size, groups.n_clusters, missing)
    counts = np.where(right, right.sum(), (~right).sum())  # of the row's own class
    if c.size < 2:
        return basis.undefined("insufficient", "fewer than two rows")
    if (counts == c.size).all():
        return basis.undefined("degenerate", "right or wrong verdicts only: AUROC does not exist")
    below = _placements(c, right)
    value = float(below[right].mean())
    if groups.n_clusters == 1:
        return basis.undefined("one_cluster", "one prompt: its error is unknown", value)
    influence = (np.where(right, below - value, 1 - below - value)) * c.size / counts
    variance, critical = mean_variance(influence, groups), critical_value(level, groups.df)
    if variance < 1e-24 or not 0 < value < 1:
        interval = score_interval(value, float(counts.min()), critical)
        return basis.estimate(
            value,
            interval,
            se=math.nan,
            n_eff=math.nan,
            df=groups.df,
            note=f"{NO_ERROR}; Wilson's interval of the rarer class",
        )
    se = math.sqrt(variance)
    half, centre = critical * se / (value * (1 - value)), math.log(value / (1 - value))
    lo, hi = ((1 + math.tanh(x / 2)) / 2 for x in (centre - half, centre + half))
    plain = float(np.mean(influence**2)) / c.size
    n_eff = c.size / max(1.0, variance / plain)
    return basis.estimate(value, (lo, hi), se=se, n_eff=n_eff, df=groups.df)


def _placements(confidence: Floats, right: NDArray[np.bool_]) -> Floats:
    """(n,) share of the other class with less confidence than the row, ties counting 1/2."""
    from scipy.stats import rankdata

    own = np.empty(confidence.size)
    for side in (right, ~right):
        own[side] = rankdata(confidence[side])
    others = np.where(right, (~right).sum(), right.sum())
    share: Floats = (rankdata(confidence) - own) / others
    return share
