"""Mending confidences: one map from stated to recalibrated confidence, fitted on other prompts.

A map that is fitted and scored on the same rows flatters, the more so the freer it is. So every row
gets its confidence from a map that was fitted without its prompt.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.calibration import CLIP, brier, confidences, log_loss
from bench.stats.clusters import Clusters, Floats, Ints
from bench.stats.estimate import Estimate
from bench.stats.paired import cluster_bonett_price
from bench.stats.reliability import BinnedErrors, binned_errors, equal_mass_bins, isotonic
from bench.stats.resample import REPLICATES
from bench.types import BenchError

Method = Literal["temperature", "platt", "isotonic"]
Map = Callable[[Floats], Floats]

FOLDS = 5
_MOST = 100.0  # a temperature lies within 1 / 100 and 100


def folds(clusters: Clusters, n_folds: int = FOLDS, seed: int = 0) -> Ints:
    """(n,) folds 0..n_folds - 1; the rows of a prompt share one, and folds differ by at most one
    prompt. Fewer prompts than folds: one each. The fold of a prompt follows from its
    code, so it may change with the order of the rows."""
    if n_folds < 2:
        raise BenchError(f"{n_folds} folds; at least 2 expected")
    order = np.random.default_rng(seed).permutation(clusters.n_clusters)
    return (order % n_folds)[clusters.codes]


def logit(confidence: Floats) -> Floats:
    """log(c / (1 - c)) of confidences clipped to [1e-6, 1 - 1e-6]."""
    c = np.clip(confidence, CLIP, 1 - CLIP)
    return np.log(c) - np.log1p(-c)


def temperature(confidence: ArrayLike, correct: ArrayLike) -> float:
    """T for which sigmoid(logit(confidence) / T) has the least log loss (Guo et al. 2017); above 1
    the judge is too sure. Within 1/100 and 100: the ends stand for 0 and infinity, where verdicts
    that are all right or all wrong lead. At least one row."""
    from scipy.optimize import minimize_scalar

    c, y = _some(confidence, correct)
    x = logit(c)

    def loss(log_t: float) -> float:
        z = x * math.exp(-log_t)
        return float(np.mean(np.logaddexp(0, z) - y * z))

    end = math.log(_MOST)
    found = minimize_scalar(loss, bounds=(-end, end), method="bounded", options={"xatol": 1e-9})
    return math.exp(float(found.x))


def platt(confidence: ArrayLike, correct: ArrayLike) -> tuple[float, float]:
    """(slope, intercept) of sigmoid(slope * logit(confidence) + intercept) with the least log loss
    against Platt's targets (1999), (N1 + 1) / (N1 + 2) for right and 1 / (N0 + 2) for wrong, which
    keep it finite. At least one row; a constant confidence has slope 0."""
    from scipy.optimize import minimize

    c, y = _some(confidence, correct)
    x = logit(c)
    right, wrong = float(y.sum()), float((1 - y).sum())
    target = y * (right + 1) / (right + 2) + (1 - y) / (wrong + 2)
    centre, spread = float(x.mean()), float(x.std())
    if spread < 1e-12:
        return 0.0, float(logit(target.mean(keepdims=True))[0])
    u = (x - centre) / spread

    def loss(parameters: Floats) -> tuple[float, Floats]:
        z = parameters[0] * u + parameters[1]
        excess = (1 + np.tanh(z / 2)) / 2 - target
        gradient = np.array([np.mean(excess * u), np.mean(excess)])
        return float(np.mean(np.logaddexp(0, z) - target * z)), gradient

    slope, intercept = minimize(loss, np.zeros(2), jac=True, method="BFGS", tol=1e-9).x
    return float(slope / spread), float(intercept - slope * centre / spread)


def _some(confidence: ArrayLike, correct: ArrayLike) -> tuple[Floats, Floats]:
    c, y = confidences(confidence, correct)
    if c.size == 0:
        raise BenchError("no rows to fit a map of confidences to; at least one expected")
    return c, y


def fit(confidence: ArrayLike, correct: ArrayLike, method: Method) -> Map:
    """The map of confidences that `method` fits to these rows, at least one."""
    c, y = _some(confidence, correct)
    if method == "isotonic":
        return isotonic(c, y)
    if method == "temperature":
        slope, intercept = 1 / temperature(c, y), 0.0
    elif method == "platt":
        slope, intercept = platt(c, y)
    else:
        raise BenchError(f"method {method!r}; temperature, platt or isotonic expected")
    return lambda x: (1 + np.tanh((slope * logit(x) + intercept) / 2)) / 2


def out_of_fold(
    confidence: ArrayLike,
    correct: ArrayLike,
    clusters: Clusters | ArrayLike,
    method: Method,
    *,
    n_folds: int = FOLDS,
    seed: int = 0,
) -> Floats:
    """(n,) confidences, each by a map fitted to the other folds of `folds`. Raises BenchError with
    fewer than two prompts."""
    c, y = confidences(confidence, correct)
    groups = Clusters.of(clusters, c.size)
    if groups.n_clusters < 2:
        raise BenchError(f"{groups.n_clusters} prompts; at least two expected to fit on others")
    fold, out = folds(groups, n_folds, seed), np.empty(c.size)
    for k in np.unique(fold):
        held = fold == k
        out[held] = fit(c[~held], y[~held], method)(c[held])
    return out


@dataclass(frozen=True, slots=True)
class CalibrationScores:
    """`binned`: over 15 bins of equal mass."""

    brier: Estimate
    log_loss: Estimate
    binned: BinnedErrors


@dataclass(frozen=True, eq=False)
class Recalibration:
    """`confidence`: (n,) recalibrated out of fold. `brier_change`: Brier score after less before,
    on the same rows; below 0 the map helps."""

    method: Method
    confidence: Floats
    before: CalibrationScores
    after: CalibrationScores
    brier_change: Estimate


def recalibration(
    confidence: ArrayLike,
    correct: ArrayLike,
    clusters: Clusters | ArrayLike,
    method: Method,
    *,
    level: float = 0.95,
    missing: int = 0,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Recalibration:
    """Calibration before and after `out_of_fold` recalibration in 5 folds. `seed`: of the folds and
    of the bootstrap."""
    c, y = confidences(confidence, correct)
    groups = Clusters.of(clusters, c.size)
    mended = out_of_fold(c, y, groups, method, seed=seed)
    before, after = (
        CalibrationScores(
            brier(x, y, groups, level=level, missing=missing),
            log_loss(x, y, groups, level=level, missing=missing),
            binned_errors(
                x,
                y,
                equal_mass_bins(x),
                groups,
                level=level,
                missing=missing,
                replicates=replicates,
                seed=seed,
            ),
        )
        for x in (c, mended)
    )
    change = (mended - y) ** 2 - (c - y) ** 2
    return Recalibration(
        method,
        mended,
        before,
        after,
        cluster_bonett_price(change, groups, level=level, missing=missing),
    )
