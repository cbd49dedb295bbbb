"""The same question asked again: how often a judge repeats itself, and how many of its flips
between orders are more than that noise.

Verdicts are in the slot frame, +1, 0, -1, and NaN or None where there is none: (n, k) for k
showings of n pairs in one order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats
from bench.stats.estimate import Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.paired import cluster_bonett_price
from bench.stats.verdicts import complete, verdicts


@dataclass(frozen=True, slots=True)
class Stability:
    """Means over pairs. `modal`: share of the verdict that is most frequent (repetition stability
    of Shi et al. 2024); the fewer the repeats, the higher it is, up to 1 for one. `agreement`:
    share of two showings with the same verdict, whose mean does not depend on their number."""

    modal: Estimate
    agreement: Estimate


def repetition_stability(
    repeats: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> Stability:
    """`repeats`: (n, k). `clusters`: (n,) prompt ids. Pairs with fewer than two verdicts are left
    out and count as missing."""
    counts = _counts(verdicts(repeats, "repeats", ndim=2))
    total = counts.sum(axis=1)
    rows = total >= 2
    groups = Clusters.of(clusters, total.size).take(rows)
    modal = counts[rows].max(axis=1) / total[rows]

    def mean(values: Floats) -> Estimate:
        return cluster_wilson(values, groups, level=level, missing=int(np.sum(~rows)))

    return Stability(mean(modal), mean(_agreement(counts)[rows]))


@dataclass(frozen=True, slots=True)
class ExcessFlip:
    """On the same pairs. `flip`: share of two showings in different orders that disagree on the
    responses. `noise`: the same for two showings in one order. `excess`: flip less noise, in
    expectation half the squared distance between the laws of the verdict in both orders: 0 without
    position bias, however noisy the judge."""

    flip: Estimate
    noise: Estimate
    excess: Estimate


def excess_flip(
    first: ArrayLike, swapped: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> ExcessFlip:
    """`first`, `swapped`: (n, k1) and (n, k2) showings in the own and the exchanged order. The
    noise is the mean of both orders, or that of the only one with two verdicts; then `excess` may
    be off where the other order is more or less noisy. Pairs without a verdict in each order and
    two in one are left out and count as missing."""
    own = _counts(verdicts(first, "first", ndim=2))
    exchanged = _counts(-verdicts(swapped, "swapped", ndim=2))
    complete(first=own, swapped=exchanged)
    both = own.sum(axis=1) * exchanged.sum(axis=1)
    noise = _mean_known(1 - _agreement(own), 1 - _agreement(exchanged))
    rows = (both > 0) & ~np.isnan(noise)
    groups = Clusters.of(clusters, both.size).take(rows)
    flip = 1 - (own * exchanged).sum(axis=1)[rows] / both[rows]
    missing = int(np.sum(~rows))
    return ExcessFlip(
        cluster_wilson(flip, groups, level=level, missing=missing),
        cluster_wilson(noise[rows], groups, level=level, missing=missing),
        cluster_bonett_price(flip - noise[rows], groups, level=level, missing=missing),
    )


def _counts(said: Floats) -> Floats:
    """(n, k) verdicts -> (n, 3) how many of each."""
    return np.stack([(said == v).sum(axis=1) for v in (-1, 0, 1)], axis=1).astype(np.float64)


def _agreement(counts: Floats) -> Floats:
    """(n, 3) counts -> (n,) share of two different showings that agree, NaN below two."""
    total = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / np.maximum(total * (total - 1), 1)
    return np.where(total > 1, agreeing, np.nan)


def _mean_known(a: Floats, b: Floats) -> Floats:
    """Mean of both, or the one that is not NaN."""
    mean: Floats = (np.where(np.isnan(a), b, a) + np.where(np.isnan(b), a, b)) / 2
    return mean
