"""Chance-corrected agreement of a judge with humans: Cohen's kappa, plain and symmetrised.

In a frame where the right answer always has the same name (chosen/rejected) plain kappa is 0 at any
accuracy. Which response is called 0 and which 1 is arbitrary, so the headline is the kappa of the
table averaged with its mirror image, where every chance-corrected coefficient is the same as long
as nobody ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

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

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Coefficient:
    """(po - pe) / (1 - pe) of a table of shares, po and pe the agreement observed and by chance.

    `value`: NaN where pe is 1. `constant`: one side is, and the coefficient is 0 whatever the
    other says. `weights`: (q, q) credit of each cell, 1 on the diagonal. `influence`: (q, q), n
    times what one row in a cell adds to the value; its mean over the rows is 0.
    """

    value: float
    constant: bool
    chance: float
    weights: Floats
    influence: Floats


def coefficient(
    shares: Floats, weights: Floats, chance: float, slope: Floats, *, constant: bool = False
) -> Coefficient:
    """`shares`: (q, q) judge by human, sum 1. `slope`: (q, q), n times what one row in a cell adds
    to the agreement by chance."""
    if 1 - chance < _ROUNDING:
        return Coefficient(math.nan, constant, chance, weights, np.zeros_like(shares))
    observed = float(np.sum(weights * shares))
    value = 0.0 if constant else (observed - chance) / (1 - chance)
    influence = (weights - observed - (1 - value) * slope) / (1 - chance)
    return Coefficient(value, constant, chance, weights, influence)


def kappa_of_table(shares: Floats, weights: Floats | None = None) -> Coefficient:
    """Cohen 1960, with `weights` Cohen 1968, and its influence function, whose independent-rows
    variance is that of Fleiss, Cohen & Everitt 1969. `shares`: (q, q) judge by human, sum 1."""
    credit = np.eye(len(shares)) if weights is None else weights
    judge, human = shares.sum(axis=1), shares.sum(axis=0)
    chance = float(judge @ credit @ human)
    slope = (credit @ human)[:, None] + (judge @ credit)[None, :] - 2 * chance
    constant = np.count_nonzero(judge) == 1 or np.count_nonzero(human) == 1
    return coefficient(shares, credit, chance, slope, constant=constant)


def mirrored(of: Callable[[Floats], Coefficient], shares: Floats) -> Coefficient:
    """A coefficient of the table averaged with its mirror image, category c against q - 1 - c."""
    whole = of((shares + shares[::-1, ::-1]) / 2)
    # A row puts half its weight in its cell and half in the mirror image of that cell.
    return replace(whole, influence=(whole.influence + whole.influence[::-1, ::-1]) / 2)


def symmetrised_kappa_of_table(shares: Floats) -> Coefficient:
    """`shares`: (3, 3) judge by human, sum 1, with the tie in the middle. With tie rates t:
    pe = t_h t_j + (1 - t_h)(1 - t_j) / 2, and without ties kappa = 2 po - 1."""
    return mirrored(kappa_of_table, shares)


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
    cells = table_cells(judge, human, 0, n_categories)
    kappa = kappa_of_table(table_shares(cells, n_categories))
    return coefficient_estimate("Cohen kappa", kappa, cells, clusters, level, missing)


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
    cells = table_cells(judge, human, -1, 3)
    kappa = symmetrised_kappa_of_table(table_shares(cells, 3))
    return coefficient_estimate("symmetrised kappa", kappa, cells, clusters, level, missing)


def table_cells(judge: ArrayLike, human: ArrayLike, low: int, q: int) -> Ints:
    """Two (n,) lists of categories from `low` on -> (n,) cells judge * q + human, from 0 on."""
    if q < 2:
        raise BenchError(f"{q} categories; at least 2 expected")
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


def table_shares(cells: Ints, q: int) -> Floats:
    """(n,) cells -> (q, q) shares, judge by human."""
    counts = np.bincount(cells, minlength=q * q).reshape(q, q)
    return counts / max(1, cells.size)


def fisher_interval(value: float, se: float, critical: float) -> tuple[float, float]:
    """`value` +- `critical` errors on the scale atanh, for a value within (-1, 1)."""
    centre, half = math.atanh(value), critical * se / (1 - value**2)
    return math.tanh(centre - half), math.tanh(centre + half)


def coefficient_estimate(
    method: str,
    found: Coefficient,
    cells: Ints,
    clusters: Clusters | ArrayLike | None,
    level: float,
    missing: int,
) -> Estimate:
    """The coefficient of a table and the (n,) cells that it was made of, with its interval as in
    `symmetrised_kappa`; without `clusters` rows are independent."""
    n = cells.size
    independent = clusters is None
    groups = Clusters.of(np.arange(n) if clusters is None else clusters, n)
    basis = Basis(method, level, n, groups.n_clusters, missing)
    df = math.inf if independent or n == 0 else groups.df
    critical = critical_value(level, df)
    if n < 2:
        return basis.undefined("insufficient", "fewer than two rows")
    if math.isnan(found.value):
        return basis.undefined("degenerate", "one category only: chance alone agrees always")
    if found.constant:
        note = "one side is constant: the coefficient is 0 whatever the other says"
        return basis.undefined("degenerate", note, found.value)
    if groups.n_clusters == 1:
        return basis.undefined("one_cluster", "one prompt: its error is unknown", found.value)
    influence = found.influence.ravel()[cells]
    plain = float(np.mean(influence**2)) / n
    variance = plain if independent else mean_variance(influence, groups)
    if 1 - abs(found.value) < _ROUNDING or variance < NO_VARIANCE:
        return _from_agreement(basis, found, cells, groups)
    se = math.sqrt(variance)
    return basis.estimate(
        found.value,
        fisher_interval(found.value, se, critical),
        se=se,
        n_eff=n / max(1.0, variance / plain),
        df=df,
    )


def _from_agreement(basis: Basis, found: Coefficient, cells: Ints, groups: Clusters) -> Estimate:
    """The interval of the observed agreement po, mapped to the coefficient: at 1 and -1 with the
    agreement by chance of equally frequent categories (2 po - 1 for two), else with the one that
    was observed."""
    agreement = cluster_wilson(found.weights.ravel()[cells], groups, level=basis.level)
    extreme = 1 - abs(found.value) < _ROUNDING
    chance = max(0.5, float(found.weights.mean())) if extreme else found.chance
    lo, hi = ((po - chance) / (1 - chance) for po in (agreement.lo, agreement.hi))
    return basis.estimate(
        found.value,
        (max(min(-1.0, found.value), min(lo, found.value)), min(1.0, max(hi, found.value))),
        se=math.nan,
        n_eff=agreement.n_eff,
        df=agreement.df,
        note="no variation between prompts: interval of the observed agreement",
    )
