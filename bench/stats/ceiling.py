"""How well could any judge agree with humans who do not agree with each other?

Per item, `votes` is the number of decisive votes m and `first` the number k of them for response 0;
items with fewer than two decisive votes say nothing about the ceiling and count as missing.
All agreements are with one human drawn at random, every item counting the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import NO_VARIANCE, Clusters, Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import cluster_wilson
from bench.types import BenchError

CHANCE_CEILING = "the ceiling cannot be told from chance"
_MOST_VOTES = 10**6


@dataclass(frozen=True, eq=False)
class _Panel:
    """The items with two decisive votes or more: `votes` m, `first` k, and which they are."""

    votes: Floats
    first: Floats
    groups: Clusters
    counted: NDArray[np.bool_]

    @property
    def left_out(self) -> int:
        return int(self.counted.size - self.votes.size)

    @property
    def pair_agreement(self) -> Floats:
        m, k = self.votes, self.first
        return (k * (k - 1) + (m - k) * (m - k - 1)) / (m * (m - 1))

    def credit(self, values: ArrayLike) -> Floats:
        """The judge's credits, one per item given, of the items that count."""
        given = np.asarray(values, dtype=np.float64)
        if given.shape != self.counted.shape:
            n = self.counted.size
            raise BenchError(f"{given.size} credits for {n} items; one per item expected")
        return checked(np.where(self.counted, given, 0.0), 0, 1, "credit")[self.counted]

    def mean(self, method: str, values: Floats, level: float) -> Estimate:
        estimate = cluster_wilson(values, self.groups, level=level, missing=self.left_out)
        return replace(estimate, method=f"{method}, {estimate.method}")


def _panel(votes: ArrayLike, first: ArrayLike, clusters: Clusters | ArrayLike) -> _Panel:
    m = checked(votes, 0, _MOST_VOTES, "votes")
    k = checked(first, 0, _MOST_VOTES, "first")
    if m.size != k.size:
        raise BenchError(f"{m.size} numbers of votes and {k.size} of first votes; equal expected")
    bad = (m % 1 != 0) | (k % 1 != 0) | (k > m)
    if bad.any():
        i = int(np.argmax(bad))
        raise BenchError(
            f"item {i}: {k[i]:g} votes for response 0 of {m[i]:g}; whole numbers expected, "
            "the first no larger than the second"
        )
    counted = m >= 2
    groups = Clusters.of(clusters, m.size).take(counted)
    return _Panel(m[counted], k[counted], groups, counted)


def human_agreement(
    votes: ArrayLike, first: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> Estimate:
    """HH, the probability that two humans agree on an item: the unbiased U-statistic
    [k(k-1) + (m-k)(m-k-1)] / m(m-1), averaged over items. Cluster-adjusted Wilson interval."""
    panel = _panel(votes, first, clusters)
    return panel.mean("human-human agreement", panel.pair_agreement, level)


def leave_one_out(
    votes: ArrayLike, first: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Agreement of each human with the majority of the others (a split counts 1/2): below the best
    possible agreement, because the majority of few humans is not the best judge."""
    panel = _panel(votes, first, clusters)
    m, k = panel.votes, panel.first
    lead = 2 * k - m  # of response 0 over response 1
    for_first = np.sign(lead - 1) / 2 + 0.5  # a voter for 0 against the majority of the rest
    for_second = np.sign(-lead - 1) / 2 + 0.5
    values = (k * for_first + (m - k) * for_second) / m
    return panel.mean("human against majority of the rest", values, level)


def plug_in(
    votes: ArrayLike, first: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Mean of max(k, m - k) / m: above the best possible agreement, because the majority is scored
    on the votes that chose it."""
    panel = _panel(votes, first, clusters)
    share = panel.first / panel.votes
    return panel.mean("plug-in ceiling", np.maximum(share, 1 - share), level)


def beta_ceiling(agreement: ArrayLike) -> Floats:
    """Best possible agreement with one human, from the agreement HH between two.

    If the share of humans for response 0 follows Beta(a, a), then a = (1 - HH) / (2 HH - 1) and
    the ceiling is P(Beta(a + 1, a) > 1/2). It grows with HH; NaN for HH <= 1/2, where humans share
    no signal; 1 at HH = 1. `agreement`: any shape, in [0, 1].
    """
    from scipy.special import betainc

    hh = np.asarray(agreement, dtype=np.float64)
    inside = (hh > 0.5) & (hh < 1)
    a = np.where(inside, (1 - hh) / np.where(inside, 2 * hh - 1, 1), 1)
    # P(Beta(a + 1, a) > 1/2) = P(Beta(a, a + 1) < 1/2)
    return np.where(inside, betainc(a, a + 1, 0.5), np.where(hh == 1, 1.0, np.nan))


def ceiling(
    votes: ArrayLike, first: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Best possible agreement with one human: `beta_ceiling` of the human-human agreement and of
    the ends of its interval. HH <= 1/2: out_of_range. An interval of HH that reaches 1/2 gives one
    that starts at 1/2."""
    return _ceiling_of(human_agreement(votes, first, clusters, level=level))


def _ceiling_of(hh: Estimate) -> Estimate:
    method = f"Beta ceiling of {hh.method}"
    if hh.estimate <= 0.5:
        basis = Basis(method, hh.level, hh.n_items, hh.n_clusters, hh.n_missing)
        return basis.undefined("out_of_range", CHANCE_CEILING)
    value, lo, hi = (float(x) for x in beta_ceiling([hh.estimate, hh.lo, hh.hi]))
    lo = 0.5 if hh.lo <= 0.5 else lo
    return replace(hh, estimate=value, lo=lo, hi=hi, se=math.nan, method=method)


def share_of_ceiling(
    credit: ArrayLike,
    votes: ArrayLike,
    first: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
) -> Estimate:
    """(J - 1/2) / (C - 1/2): the judge's agreement with one human as a share of the best possible,
    both above chance. 0 is a coin, 1 the ceiling; above 1 is possible, by chance or because the
    Beta form is wrong for these items.

    Interval by MOVER for a ratio (Donner & Zou 2012) from the intervals of J and of C, which come
    from the same items: their correlation is that of the prompts' residuals, drawn towards 0 as
    few prompts ask for. Simulated coverage of 95 %: .94 to .99 with 20 to 300 prompts, 3 or 5
    votes, HH .65 and .8, for judges from poor to near the ceiling, over the runs with an interval;
    a percentile bootstrap fell to .80.

    `credit`: (n,) the judge's mean credit against the item's decisive votes, in [0, 1]; not looked
    at where there are fewer than two votes. An interval of C that reaches 1/2: NaN, out_of_range.
    Fewer than two items: insufficient. One cluster: no interval. No standard error, because the
    interval is not symmetric.
    """
    panel = _panel(votes, first, clusters)
    judge, groups = panel.credit(credit), panel.groups
    method = "share of ceiling, MOVER of cluster-adjusted Wilson"
    basis = Basis(method, level, judge.size, groups.n_clusters, panel.left_out)
    if judge.size < 2:
        return basis.undefined("insufficient", "fewer than two items with two decisive votes")
    best = _ceiling_of(cluster_wilson(panel.pair_agreement, groups, level=level))
    # Written so that a ceiling without an interval (one prompt) passes.
    if not best.estimate > 0.5 or best.lo <= 0.5:
        return basis.undefined("out_of_range", CHANCE_CEILING)
    own = cluster_wilson(judge, groups, level=level)
    share = (own.estimate - 0.5) / (best.estimate - 0.5)
    if groups.n_clusters == 1:
        return basis.undefined("one_cluster", "one prompt: its error is unknown", share)
    together = _correlation(judge, panel.pair_agreement, groups, level)
    j, c = ((e.estimate - 0.5, e.lo - 0.5, e.hi - 0.5) for e in (own, best))
    mirrored = (-j[0], -j[2], -j[1])
    lo, hi = _lower_ratio(j, c, together), -_lower_ratio(mirrored, c, -together)
    return basis.estimate(
        share,
        (min(lo, share), max(hi, share)),
        se=math.nan,
        n_eff=own.n_eff,
        df=groups.df,
        note=own.note,
    )


def _correlation(a: Floats, b: Floats, groups: Clusters, level: float) -> float:
    """Correlation of the means of two (n,) columns, 0 where one does not vary; times
    G_eff / (G_eff + critical^2), because one that is too large by chance makes a ratio look
    surer than it is, and one too small only widens its interval."""
    x, y = groups.sums(a - a.mean()), groups.sums(b - b.mean())
    scale = math.sqrt(float(x @ x) * float(y @ y))
    if scale < NO_VARIANCE:
        return 0.0
    n = groups.n_effective
    return float(x @ y) / scale * n / (n + critical_value(level, groups.df) ** 2)


_Interval = tuple[float, float, float]


def _lower_ratio(top: _Interval, bottom: _Interval, correlation: float) -> float:
    """Lower MOVER limit of a ratio of two correlated estimates, each (estimate, lo, hi), the second
    and its lo above 0: where the lower limit of (top - ratio * bottom) is 0, a root of
    room * ratio^2 - 2 * mixed * ratio + rest."""
    a, lo, _ = top
    b = bottom[0]
    positive = lo > 0
    # A positive ratio is least where the bottom is large, a negative one where it is small.
    reach = bottom[2] - b if positive else b - bottom[1]
    room = b**2 - reach**2
    mixed = a * b - correlation * (a - lo) * reach
    rest = a**2 - (a - lo) ** 2
    root = math.sqrt(max(0.0, mixed**2 - room * rest))
    # `room` may be 0 or below for a positive ratio, and is above 0 for a negative one.
    return rest / (mixed + root) if positive else (mixed - root) / room
