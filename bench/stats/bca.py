"""BCa interval: the percentile interval of the cluster bootstrap, corrected for bias and skew.

Below 40 prompts it covers no better than the plain one, and for accuracies near 1 worse, so there
it is refused; above, it is for statistics whose resamples are skewed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import LARGEST, Clusters, Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.resample import REPLICATES, Statistic, resampled_sums

MIN_CLUSTERS = 40


def bca(
    columns: Sequence[ArrayLike],
    clusters: Clusters | ArrayLike,
    statistic: Statistic,
    method: str,
    *,
    level: float = 0.95,
    missing: int = 0,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """One statistic of the sums of k columns of (n,) values, as `resample.bootstrap`, with the
    interval of Efron 1987 and the acceleration of the delete-one-cluster jackknife.

    Fewer than 40 clusters: insufficient, the estimate alone. A statistic that is undefined for
    the rows, for a resample or without some cluster, or that does not vary: degenerate.
    """
    values = [checked(c, -LARGEST, LARGEST, f"column {i}") for i, c in enumerate(columns)]
    groups = Clusters.of(clusters, values[0].size)
    how = f"{method}, BCa cluster bootstrap ({replicates} replicates, seed {seed})"
    basis = Basis(how, level, groups.n_items, groups.n_clusters, missing)
    sums = np.stack([groups.sums(column) for column in values], axis=1)
    total = sums.sum(axis=0, keepdims=True)
    value = float(statistic(total)[0]) if groups.n_items else math.nan
    if groups.n_clusters < MIN_CLUSTERS:
        note = f"fewer than {MIN_CLUSTERS} prompts: no BCa interval"
        return basis.undefined("insufficient", note, value)
    draws = statistic(resampled_sums(sums, replicates=replicates, seed=seed))
    without = statistic(total - sums)
    if not all(np.isfinite(part).all() for part in (value, draws, without)):
        return basis.undefined("degenerate", "not defined for all resamples", value)
    if np.ptp(draws) < 1e-12:
        return basis.undefined("degenerate", "no variation between prompts", value)
    return basis.estimate(
        value,
        bca_interval(draws, value, acceleration(without), level),
        se=float(draws.std()),
        n_eff=math.nan,
        df=math.inf,
    )


def acceleration(without: Floats) -> float:
    """Sixth of the skewness of the jackknife influence values, from the (G,) values of the
    statistic without each cluster: sum u^3 / (6 (sum u^2)^1.5), u = mean - value. No variation:
    0."""
    u = without.mean() - without
    spread = float(np.sum(u**2))
    return float(np.sum(u**3)) / (6 * spread**1.5) if spread > 0 else 0.0


def jackknife_se(without: Floats) -> float:
    """Standard error from the (G,) values of the statistic without each cluster."""
    g = without.size
    return math.sqrt((g - 1) / g * float(np.sum((without - without.mean()) ** 2)))


def bca_interval(
    draws: Floats, estimate: float, acceleration: float, level: float = 0.95
) -> tuple[float, float]:
    """Quantiles of (B,) draws at Phi(z0 + (z0 + z) / (1 - a (z0 + z))) for z = -+ the critical
    value, z0 being the deviate of the share of draws below the estimate (ties half). It always
    holds the estimate."""
    from scipy.special import ndtr, ndtri

    below = np.mean(draws < estimate) + np.mean(draws == estimate) / 2
    # At least half a draw on either side: an estimate beyond all draws has no deviate.
    bias = float(ndtri(np.clip(below, 0.5 / draws.size, 1 - 0.5 / draws.size)))
    z = bias + critical_value(level) * np.array([-1.0, 1.0])
    shares = ndtr(bias + z / (1 - acceleration * z))
    lo, hi = np.quantile(draws, shares)
    return min(float(lo), estimate), max(float(hi), estimate)
