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

from bench.stats.clusters import (
    Clusters,
    Floats,
    checked,
)
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.resample import percentile_interval, resampled_sums
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
    replicates: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """(J - 1/2) / (C - 1/2): the judge's agreement with one human as a share of the best possible,
    both above chance. 0 is a coin, 1 the ceiling; above 1 is possible, by chance or because the
    Beta form is wrong for these items.

    J and C come from the same items and their interval from the same cluster bootstrap:
    percentile, its deviations widened by t(G_eff - 1) / z below 80 prompts. Where the bootstrap
    does not vary (a judge without an opinion) the ends of both intervals are combined instead.

    `credit`: (n,) the judge's mean credit against the item's decisive votes, in [0, 1]; not looked
    at where there are fewer than two votes. An interval of C that reaches 1/2: NaN, out_of_range.
    Fewer than two items: insufficient. One cluster: no interval.
    """
    panel = _panel(votes, first, clusters)
    judge = panel.credit(credit)
    method = f"share of ceiling, cluster bootstrap ({replicates} replicates, seed {seed})"
    basis = Basis(method, level, judge.size, panel.groups.n_clusters, panel.left_out)
    if judge.size < 2:
        return basis.undefined("insufficient", "fewer than two items with two decisive votes")
    best = _ceiling_of(cluster_wilson(panel.pair_agreement, panel.groups, level=level))
    # Written so that a ceiling without an interval (one prompt) passes.
    if not best.estimate > 0.5 or best.lo <= 0.5:
        return basis.undefined("out_of_range", CHANCE_CEILING)
    own = cluster_wilson(judge, panel.groups, level=level)
    share = (own.estimate - 0.5) / (best.estimate - 0.5)
    if panel.groups.n_clusters == 1:
        return basis.undefined("one_cluster", "one prompt: its error is unknown", share)
    shares = _resampled(panel, judge, replicates, seed)
    if shares.max() - shares.min() < 1e-12:
        note, se = "no variation between prompts: both intervals combined", math.nan
        lo, hi = _combined(own, best)
    else:
        note, se = "", float(shares[np.isfinite(shares)].std())
        lo, hi = percentile_interval(shares, share, level, panel.groups)
    if not math.isfinite(hi - lo):
        return basis.undefined("out_of_range", CHANCE_CEILING)
    return basis.estimate(share, (lo, hi), se=se, n_eff=own.n_eff, df=panel.groups.df, note=note)


def _resampled(panel: _Panel, judge: Floats, replicates: int, seed: int) -> Floats:
    """(replicates,) shares of the ceiling; infinite where the ceiling falls to 1/2."""
    groups = panel.groups
    columns = [
        groups.sizes.astype(np.float64),
        groups.sums(judge),
        groups.sums(panel.pair_agreement),
    ]
    size, credit, agreement = resampled_sums(
        np.stack(columns, axis=1), replicates=replicates, seed=seed
    ).T
    above = credit / size - 0.5
    room = np.nan_to_num(beta_ceiling(agreement / size) - 0.5, nan=0.0)
    lost = np.where(above == 0, 0.0, np.copysign(np.inf, above))
    return np.where(room > 0, above / np.where(room > 0, room, 1.0), lost)


def _combined(judge: Estimate, best: Estimate) -> tuple[float, float]:
    """Least and greatest share of the ceiling within two intervals, the ceiling's above 1/2."""
    ratios = [(j - 0.5) / (c - 0.5) for j in (judge.lo, judge.hi) for c in (best.lo, best.hi)]
    return min(ratios), max(ratios)
