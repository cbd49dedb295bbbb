"""Length bias: whether a judge likes the longer response better than humans do.

`judge`, `human`: (n,) in [-1, 1] in content coordinates, +1 for the first response, 0 a tie, -1 for
the second. `difference`: (n,) length of the first response less that of the second, in any unit.
`clusters`: (n,) prompt ids. NaN or None: missing; such a row is left out and counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats
from bench.stats.estimate import Estimate
from bench.stats.feature_effect import FeatureEffect, feature_effects
from bench.stats.intervals import cluster_wilson
from bench.stats.logit import INTERCEPT, fit_logit
from bench.stats.paired import cluster_bonett_price
from bench.stats.twogroups import two_groups
from bench.stats.verdicts import complete, maybe, verdicts
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class LongerPreference:
    """On the same pairs: share for the longer response, a tie 1/2, and judge less human."""

    judge: Estimate
    human: Estimate
    excess: Estimate


def longer_preference(
    judge: ArrayLike,
    human: ArrayLike,
    difference: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    min_gap: float = 0,
    level: float = 0.95,
) -> LongerPreference:
    """Over the pairs whose lengths differ by more than `min_gap`."""
    j, h, d, known = _rows(judge, human, difference)
    rows = known & (np.abs(d) > min_gap)
    groups = Clusters.of(clusters, d.size).take(rows)
    missing, longer = int(np.sum(~known)), np.sign(d[rows])
    a, b = ((1 + x[rows] * longer) / 2 for x in (j, h))
    return LongerPreference(
        cluster_wilson(a, groups, level=level, missing=missing),
        cluster_wilson(b, groups, level=level, missing=missing),
        cluster_bonett_price(a - b, groups, level=level, missing=missing),
    )


def length_effect(
    judge: ArrayLike,
    human: ArrayLike,
    difference: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
) -> FeatureEffect:
    """`feature_effects` of the length, per standard deviation of its difference over all pairs."""
    d = maybe(difference, -math.inf, math.inf, "difference")
    known = d[~np.isnan(d)]
    per_sd = d / (float(known.std()) or 1.0) if known.size else d
    return feature_effects(judge, human, {"length": per_sd}, clusters, level=level)["length"]


@dataclass(frozen=True, slots=True)
class BalancedAgreement:
    """Agreement where the response that humans prefer is the longer one, and where it is the
    shorter one. `balanced`: mean of both, which does not depend on how often humans prefer the
    longer. `gap`: longer less shorter; 0 for a judge that does not look at length."""

    longer: Estimate
    shorter: Estimate
    balanced: Estimate
    gap: Estimate


def balanced_agreement(
    judge: ArrayLike,
    human: ArrayLike,
    difference: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
) -> BalancedAgreement:
    """A judge's tie is half an agreement. Pairs where humans tie or the lengths are equal are left
    out. Intervals: `two_groups`."""
    j, h, d, known = _rows(judge, human, difference)
    rows = known & (h * d != 0)
    groups = Clusters.of(clusters, d.size).take(rows)
    found = two_groups(
        _agreement(j[rows], h[rows]),
        h[rows] * d[rows] > 0,
        groups,
        level=level,
        missing=int(np.sum(~known)),
    )
    return BalancedAgreement(found.first, found.second, found.mean, found.difference)


def controlled_agreement(
    judge: ArrayLike,
    human: ArrayLike,
    difference: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    domains: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Agreement with humans if responses were of one length.

    Logistic regression of the agreement on tanh(D / s), D the length of the response that humans
    prefer less that of the other, s its root mean square, and on the domain where `domains`, (n,)
    names, are given; then the mean probability at D = 0 (after Dubois et al. 2024). The error is
    that of the influence function and counts the coefficients' own. Pairs where humans tie are
    left out. What is refused and penalised: `fit_logit`.
    """
    j, h, d, known = _rows(judge, human, difference)
    names = np.asarray([""] * d.size if domains is None else domains, dtype=np.str_)
    if names.shape != d.shape:
        raise BenchError(f"{names.size} domains for {d.size} pairs; one each expected")
    rows = known & (h != 0)
    groups = Clusters.of(clusters, d.size).take(rows)
    longer = np.sign(h[rows]) * d[rows]
    size = math.sqrt(float(np.mean(longer**2))) if longer.size else 0.0
    columns = {"length": np.tanh(longer / (size or 1.0))}
    for name in np.unique(names[rows])[1:]:
        columns[f"domain {name}"] = (names[rows] == name).astype(np.float64)
    fit = fit_logit(columns, _agreement(j[rows], h[rows]), groups)
    return fit.predicted({"length": 0.0}).estimate(
        "length-controlled agreement", level=level, missing=int(np.sum(~known)), bounds=(0, 1)
    )


@dataclass(frozen=True, slots=True)
class PositionAndLength:
    """Log odds of picking the first slot: `position` + o (`quality` h + `length` d), o = +1 where
    the first response is shown first, else -1; h: what humans prefer, d: difference in length.
    `tradeoff`: length / quality, the share of a human preference that a unit of length is worth."""

    position: Estimate
    quality: Estimate
    length: Estimate
    tradeoff: Estimate


def position_and_length(
    first: ArrayLike,
    swapped: ArrayLike,
    human: ArrayLike,
    difference: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
) -> PositionAndLength:
    """`first`, `swapped`: (n,) verdicts in the slot frame, +1 for what was shown first, with the
    responses in their own order and exchanged. Every verdict is a row; `missing` counts verdicts.
    """
    shown = np.append(verdicts(first, "first"), verdicts(swapped, "swapped"))
    h, d = (
        maybe(x, -m, m, what)
        for x, m, what in ((human, 1, "human"), (difference, np.inf, "length"))
    )
    groups = Clusters.of(clusters, h.size)
    h, d = np.append(h, -h), np.append(d, -d)
    known = complete(verdicts=shown, human=h, difference=d)
    rows = Clusters.of(np.tile(groups.codes, 2), known.size).take(known)
    fit = fit_logit({"quality": h[known], "length": d[known]}, (1 + shown[known]) / 2, rows)
    position, quality, length = (
        fit.coefficient(name).estimate("log odds", level=level, missing=int(np.sum(~known)))
        for name in (INTERCEPT, "quality", "length")
    )
    ratio = fit.ratio("length", "quality")
    tradeoff = ratio.estimate("ratio", level=level, missing=int(np.sum(~known)))
    return PositionAndLength(position, quality, length, tradeoff)


def _rows(
    judge: ArrayLike, human: ArrayLike, difference: ArrayLike
) -> tuple[Floats, Floats, Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Judge, human, difference and the rows where none is missing."""
    j, h = maybe(judge, -1, 1, "judge"), maybe(human, -1, 1, "human")
    d = maybe(difference, -math.inf, math.inf, "difference")
    return j, h, d, complete(judge=j, human=h, difference=d)


def _agreement(judge: Floats, human: Floats) -> Floats:
    """Credit in [0, 1] of a judge for the side that humans prefer."""
    credit: Floats = (1 + judge * np.sign(human)) / 2
    return credit
