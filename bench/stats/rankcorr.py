"""Scores of a judge against scores of humans: correlations, and the reliability behind them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import NO_VARIANCE, Clusters, Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.kappa import fisher_interval
from bench.stats.resample import REPLICATES, Resample
from bench.types import BenchError

_LARGEST = float(np.finfo(np.float64).max)
_GROUPS = 200
"""Where there are more clusters, several are left out at a time: the error stays right (Kott 2001)
and the work stays in proportion to the rows."""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """All pairs of n rows: ordered alike (C), ordered against each other (D), tied by the judge
    alone, by the human alone, by both."""

    concordant: int
    discordant: int
    judge_ties: int
    human_ties: int
    both_ties: int

    @classmethod
    def of(cls, judge: Floats, human: Floats) -> PairCounts:
        """In O(n log n): scipy's tau-b, freed of its denominator, is the whole number C - D."""
        from scipy.stats import kendalltau

        x, y = (np.unique(side, return_inverse=True)[1] for side in (judge, human))
        total = math.comb(judge.size, 2)
        by_judge, by_human, both = _tied(x), _tied(y), _tied(x * judge.size + y)
        root = math.sqrt((total - by_judge) * (total - by_human))
        ahead = round(float(kendalltau(x, y)[0]) * root) if root else 0
        untied = total - by_judge - by_human + both
        return cls(
            concordant=(untied + ahead) // 2,
            discordant=(untied - ahead) // 2,
            judge_ties=by_judge - both,
            human_ties=by_human - both,
            both_ties=both,
        )


def _tied(codes: NDArray[np.intp]) -> int:
    """Pairs with the same code."""
    counts = np.unique(codes, return_counts=True)[1]
    return int(np.sum(counts * (counts - 1) // 2))


@dataclass(frozen=True, slots=True)
class Correlations:
    """Each in [-1, 1], over all pairs of rows whatever their prompt.

    `tau_b` (C - D) / sqrt((C + D + T_judge)(C + D + T_human)); `tau_c` 2 m (C - D) / (n^2 (m - 1)),
    m the smaller number of different values; `gamma` (C - D) / (C + D); `somers_d` of the judge
    given the human, (C - D) / (C + D + T_judge); `spearman`, on mid-ranks; `pearson`. `pairs`: the
    counts behind them.
    """

    tau_b: Estimate
    tau_c: Estimate
    gamma: Estimate
    somers_d: Estimate
    spearman: Estimate
    pearson: Estimate
    pairs: PairCounts


_NAMES = tuple(field.name for field in fields(Correlations) if field.name != "pairs")


def correlations(
    judge: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Correlations:
    """`judge`, `human`: (n,) finite scores. `clusters`: (n,) prompt ids.

    Ranks are no function of sums, so the error is that of the jackknife: without each prompt in
    turn, or each of 200 groups of prompts where there are more. Interval with t(G_eff - 1) on the
    scale atanh. A constant side: NaN, degenerate. No variation between prompts (a perfect order),
    or a value that does not exist without one of them: no interval, degenerate. Fewer than two
    rows: insufficient. One cluster: no interval.
    """
    x = checked(judge, -_LARGEST, _LARGEST, "judge")
    y = checked(human, -_LARGEST, _LARGEST, "human")
    if x.size != y.size:
        raise BenchError(f"{x.size} scores of the judge for {y.size} of the human")
    groups = Clusters.of(clusters, x.size)
    values = _statistics(x, y)
    without = _jackknife(lambda kept: _statistics(x[kept], y[kept]), groups)
    found = {}
    for i, name in enumerate(_NAMES):
        method = f"{name.replace('_', '-')}, jackknife over prompts"
        basis = Basis(method, level, x.size, groups.n_clusters, missing)
        found[name] = _estimate(basis, values[i], without[:, i], groups)
    return Correlations(**found, pairs=PairCounts.of(x, y))


def _statistics(judge: Floats, human: Floats) -> list[float]:
    """In the order of `_NAMES`; NaN where one side is constant."""
    from scipy.stats import rankdata

    levels = min(np.unique(judge).size, np.unique(human).size)
    if levels < 2:
        return [math.nan] * len(_NAMES)
    pairs = PairCounts.of(judge, human)
    ahead, untied = pairs.concordant - pairs.discordant, pairs.concordant + pairs.discordant
    by_judge, by_human = untied + pairs.judge_ties, untied + pairs.human_ties
    return [
        ahead / math.sqrt(by_judge * by_human),
        2 * levels * ahead / (judge.size**2 * (levels - 1)),
        ahead / untied if untied else math.nan,
        ahead / by_judge,
        _pearson(rankdata(judge), rankdata(human)),
        _pearson(judge, human),
    ]


def _pearson(x: Floats, y: Floats) -> float:
    a, b = x - x.mean(), y - y.mean()
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


def _jackknife(statistics: Callable[[NDArray[np.bool_]], list[float]], groups: Clusters) -> Floats:
    """(groups left out, k) statistics of the rows kept."""
    dealt = groups.codes % _GROUPS
    left_out = range(min(groups.n_clusters, _GROUPS))
    return np.array([statistics(dealt != g) for g in left_out]).reshape(-1, len(_NAMES))


def _estimate(basis: Basis, value: float, without: Floats, groups: Clusters) -> Estimate:
    j = without.size
    critical = critical_value(basis.level, groups.df if basis.n_items else math.inf)
    if basis.n_items < 2:
        return basis.undefined("insufficient", "fewer than two rows")
    if math.isnan(value):
        return basis.undefined("degenerate", "one side is constant, or every pair is tied")
    if j == 1:
        return basis.undefined("one_cluster", "one prompt: its error is unknown", value)
    if np.isnan(without).any():
        return basis.undefined("degenerate", "not defined without one of the prompts", value)
    variance = (j - 1) / j * float(np.sum((without - value) ** 2))
    if variance < NO_VARIANCE or 1 - abs(value) < 1e-12:
        return basis.undefined("degenerate", "no variation between prompts", value)
    se = math.sqrt(variance)
    interval = fisher_interval(value, se, critical)
    return basis.estimate(value, interval, se=se, n_eff=math.nan, df=groups.df)


@dataclass(frozen=True, slots=True)
class Icc:
    """Intraclass correlation of single scores, items by raters, both random (McGraw & Wong 1996).
    `agreement`, ICC(A,1): a rater who always scores higher disagrees. `consistency`, ICC(C,1): that
    rater does not."""

    agreement: Estimate
    consistency: Estimate


def icc(
    scores: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Icc:
    """`scores`: (n, k) finite, k >= 2 raters of whom the judge may be one; `clusters`: (n,).

    Mean squares are functions of sums: cluster bootstrap (`Resample.estimate`). No variation at
    all: NaN, degenerate. Fewer than two rows: insufficient.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise BenchError(f"scores have shape {table.shape}; (items, 2 raters or more) expected")
    for rater, column in enumerate(table.T):
        checked(column, -_LARGEST, _LARGEST, f"scores of rater {rater}")
    k = table.shape[1]
    if table.size and np.ptp(table) > 0:
        table = (table - table.mean()) / table.std()  # so that no digits are lost in the squares
    else:
        table = np.zeros_like(table)
    columns = [np.ones(len(table)), *table.T, (table**2).sum(axis=1), table.sum(axis=1) ** 2 / k]
    resample = Resample.of(columns, clusters, replicates=replicates, seed=seed)

    def estimate(name: str, absolute: bool) -> Estimate:
        return resample.estimate(
            lambda sums: _icc_of_sums(sums, absolute),
            name,
            level=level,
            missing=missing,
            bounds=(-1.0, 1.0),
        )

    return Icc(agreement=estimate("ICC(A,1)", True), consistency=estimate("ICC(C,1)", False))


def _icc_of_sums(sums: Floats, absolute: bool) -> Floats:
    """Sums: rows, scores of each of k raters, squares, squared row totals / k."""
    n, by_rater, squares, by_row = sums[:, 0], sums[:, 1:-2], sums[:, -2], sums[:, -1]
    k = by_rater.shape[1]
    n = np.where(n > 1, n, np.nan)
    mean = by_rater.sum(axis=1) ** 2 / (n * k)
    rows = by_row - mean
    raters = (by_rater**2).sum(axis=1) / n - mean
    error = np.maximum(squares - mean - rows - raters, 0) / ((n - 1) * (k - 1))
    between, shift = rows / (n - 1), raters / (k - 1)
    total = between + (k - 1) * error
    if absolute:
        total = total + k / n * (shift - error)
    value: Floats = (between - error) / np.where(total > 1e-12, total, np.nan)
    return value


def spearman_brown(reliability: float, k: float = 2) -> float:
    """Reliability of the mean of k like measurements, from that of one: k r / (1 + (k - 1) r)
    (Spearman 1910, Brown 1910); of the whole from its halves with k = 2. NaN where the denominator
    is not positive."""
    denominator = 1 + (k - 1) * reliability
    return k * reliability / denominator if denominator > 0 else math.nan


def correlation_ceiling(reliability: float) -> float:
    """The greatest correlation with human scores of this reliability that a flawless judge is
    expected to have: its square root. NaN below 0."""
    return math.sqrt(reliability) if reliability >= 0 else math.nan


def disattenuated(correlation: Estimate, judge: float, human: float) -> Estimate:
    """Correlation of the scores without their noise, r / sqrt(reliability x reliability)
    (Spearman 1904).

    `judge`, `human`: reliabilities, at most 1; they count as known, so the interval is that of r
    scaled, and too short. Above 1 is possible and means that a reliability is too low for this r;
    the note then says so. A reliability that is not positive: NaN, out_of_range.
    """
    for name, reliability in (("judge", judge), ("human", human)):
        if not reliability <= 1:
            raise BenchError(f"reliability of the {name} is {reliability}; at most 1 expected")
    method = f"{correlation.method}, disattenuated"
    if min(judge, human) <= 0:
        r = correlation
        basis = Basis(method, r.level, r.n_items, r.n_clusters, r.n_missing)
        return basis.undefined("out_of_range", "a reliability is not positive")
    scale = 1 / math.sqrt(judge * human)
    notes = [correlation.note, "reliabilities taken as known"]
    if abs(correlation.estimate * scale) > 1:
        notes.append("beyond 1: a reliability is too low, or the noise is shared")
    return replace(
        correlation,
        estimate=correlation.estimate * scale,
        lo=correlation.lo * scale,
        hi=correlation.hi * scale,
        se=correlation.se * scale,
        method=method,
        note="; ".join(note for note in notes if note),
    )
