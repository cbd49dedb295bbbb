"""Chance-corrected agreement of a judge with humans: Cohen's kappa, plain and symmetrised.

In a frame where the right answer always has the same name (chosen/rejected) plain kappa is 0 at any
accuracy. Which response is called 0 and which 1 is arbitrary, so the headline is the kappa of the
table averaged with its mirror image, where every chance-corrected coefficient is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import (
    NO_VARIANCE,
    Clusters,
    Floats,
    Ints,
    checked,
    critical_value,
    mean_variance,
)
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import cluster_wilson
from bench.types import BenchError


@dataclass(frozen=True, eq=False)
class Kappa:
    """Kappa of a table of shares. `value`: NaN when both sides are constant. `constant`: one side
    is, and then kappa is 0 whatever the other says. `chance`: agreement by chance. `influence`:
    (q, q), n times what one row in a cell adds to kappa; its mean over the rows is 0."""

    value: float
    constant: bool
    chance: float
    influence: Floats


def kappa_of_table(shares: Floats) -> Kappa:
    """Cohen 1960 with its influence function, whose independent-rows variance is that of Fleiss,
    Cohen & Everitt 1969. `shares`: (q, q) judge by human, sum 1."""
    judge, human = shares.sum(axis=1), shares.sum(axis=0)
    chance = float(judge @ human)
    slope = human[:, None] + judge[None, :] - 2 * chance
    constant = np.count_nonzero(judge) == 1 or np.count_nonzero(human) == 1
    return _kappa(shares, chance, slope, constant)


def symmetrised_kappa_of_table(shares: Floats) -> Kappa:
    """Kappa of the table averaged with its mirror image. `shares`: (3, 3) judge by human, sum 1,
    with the tie in the middle. With tie rates t: pe = t_h t_j + (1 - t_h)(1 - t_j) / 2, and
    without ties kappa = 2 po - 1."""
    t_judge, t_human = float(shares[1].sum()), float(shares[:, 1].sum())
    chance = t_human * t_judge + (1 - t_human) * (1 - t_judge) / 2
    tie = np.array([0.0, 1.0, 0.0])
    by_judge = (tie - t_judge) * (3 * t_human - 1) / 2
    by_human = (tie - t_human) * (3 * t_judge - 1) / 2
    constant = not (shares[[0, 2]].any() and shares[:, [0, 2]].any())
    return _kappa(shares, chance, by_judge[:, None] + by_human[None, :], constant)


def _kappa(shares: Floats, chance: float, slope: Floats, constant: bool) -> Kappa:
    """`slope`: (q, q), n times what one row in a cell adds to the chance agreement."""
    if 1 - chance < 1e-12:
        return Kappa(math.nan, constant, chance, np.zeros_like(shares))
    observed = float(np.trace(shares))
    kappa = 0.0 if constant else (observed - chance) / (1 - chance)
    influence = (np.eye(len(shares)) - observed - (1 - kappa) * slope) / (1 - chance)
    return Kappa(kappa, constant, chance, influence)


def cohen_kappa(
    judge: ArrayLike,
    human: ArrayLike,
    n_categories: int,
    clusters: Clusters | ArrayLike | None = None,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """Cohen's kappa in the frame that the categories are given in.

    `judge`, `human`: (n,) categories 0..n_categories - 1. `clusters`: (n,) prompt ids; without
    them rows count as independent and the critical value is normal. Interval, undefined cases
    and errors as in `symmetrised_kappa`.
    """
    if n_categories < 2:
        raise BenchError(f"{n_categories} categories; at least 2 expected")
    cells = _cells(judge, human, 0, n_categories)
    shares = _shares(cells, n_categories)
    return _estimate("Cohen kappa", kappa_of_table(shares), cells, clusters, level, missing)


def symmetrised_kappa(
    judge: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """Label-swap-symmetrised kappa of verdicts on pairs.

    `judge`, `human`: (n,) in item coordinates, +1 for the first response, 0 for a tie, -1 for the
    second. Several annotators or orders of an item are rows with the same cluster. `clusters`:
    (n,) prompt ids.

    Interval: CR1 error of the influence function with t(G_eff - 1), on the scale atanh(kappa).
    Where that error is 0 (kappa is 1 or -1, or every prompt agrees equally often) it is the
    cluster-adjusted Wilson interval of the observed agreement, mapped to kappa.

    Fewer than two rows: insufficient. Both sides always tie: NaN, degenerate. One side always
    ties: 0, degenerate, no interval. One cluster: no interval. Raises BenchError for a value that
    is none of the categories, with its position.
    """
    cells = _cells(judge, human, -1, 3)
    kappa = symmetrised_kappa_of_table(_shares(cells, 3))
    return _estimate("symmetrised kappa", kappa, cells, clusters, level, missing)


def _cells(judge: ArrayLike, human: ArrayLike, low: int, q: int) -> Ints:
    """Two (n,) lists of categories from `low` on -> (n,) cells judge * q + human."""
    sides = []
    for name, values in (("judge", judge), ("human", human)):
        numbers = checked(values, low, low + q - 1, name)
        codes = numbers.astype(np.int64)
        if (codes != numbers).any():
            i = int(np.argmax(codes != numbers))
            raise BenchError(
                f"{name}[{i}] is {numbers[i]}; a whole number from {low} to {low + q - 1} expected"
            )
        sides.append(codes - low)
    if sides[0].size != sides[1].size:
        raise BenchError(
            f"{sides[0].size} verdicts of the judge for {sides[1].size} of the human; "
            "one each per row expected"
        )
    return sides[0] * q + sides[1]


def _shares(cells: Ints, q: int) -> Floats:
    counts = np.bincount(cells, minlength=q * q).reshape(q, q)
    return counts / max(1, cells.size)


def _estimate(
    method: str,
    kappa: Kappa,
    cells: Ints,
    clusters: Clusters | ArrayLike | None,
    level: float,
    missing: int,
) -> Estimate:
    n = cells.size
    independent = clusters is None
    groups = Clusters.of(np.arange(n) if clusters is None else clusters, n)
    basis = Basis(method, level, n, groups.n_clusters, missing)
    df = math.inf if independent or n == 0 else groups.df
    critical = critical_value(level, df)
    if n < 2:
        return basis.undefined("insufficient", "fewer than two rows")
    if math.isnan(kappa.value):
        return basis.undefined("degenerate", "one category only: kappa does not exist")
    if kappa.constant:
        note = "one side is constant: kappa is 0 whatever the other says"
        return basis.undefined("degenerate", note, kappa.value)
    if groups.n_clusters == 1:
        return basis.undefined("one_cluster", "one prompt: its error is unknown", kappa.value)
    influence = kappa.influence.ravel()[cells]
    plain = float(np.mean(influence**2)) / n
    variance = plain if independent else mean_variance(influence, groups)
    if 1 - abs(kappa.value) < 1e-12 or variance < NO_VARIANCE:
        return _from_agreement(basis, kappa, cells, groups)
    se = math.sqrt(variance)
    half = critical * se / (1 - kappa.value**2)
    centre = math.atanh(kappa.value)
    return basis.estimate(
        kappa.value,
        (math.tanh(centre - half), math.tanh(centre + half)),
        se=se,
        n_eff=n / max(1.0, variance / plain),
        df=df,
    )


def _from_agreement(basis: Basis, kappa: Kappa, cells: Ints, groups: Clusters) -> Estimate:
    """The interval of the observed agreement po, mapped to kappa: with 2 po - 1 at kappa 1 and -1,
    else with the chance agreement that was observed."""
    q = len(kappa.influence)
    agreement = cluster_wilson(cells // q == cells % q, groups, level=basis.level)
    chance = 0.5 if 1 - abs(kappa.value) < 1e-12 else kappa.chance
    lo, hi = ((po - chance) / (1 - chance) for po in (agreement.lo, agreement.hi))
    return basis.estimate(
        kappa.value,
        (max(-1.0, min(lo, kappa.value)), min(1.0, max(hi, kappa.value))),
        se=math.nan,
        n_eff=agreement.n_eff,
        df=agreement.df,
        note="no variation between prompts: interval of the observed agreement",
    )
