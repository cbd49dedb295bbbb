"""Coefficients of the table judge by human: four ideas of chance, weights, and why they disagree.

All are (po - pe) / (1 - pe). They differ in what they take for the agreement pe by chance, so on
the same rows they differ most where one category is frequent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats
from bench.stats.estimate import Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.kappa import (
    Coefficient,
    coefficient,
    coefficient_estimate,
    kappa_of_table,
    mirrored,
    table_cells,
    table_shares,
)
from bench.types import BenchError

Chance = Literal["cohen", "scott", "gwet", "bennett"]
Weights = Literal["identity", "linear", "quadratic"]


def agreement_weights(q: int, weights: Weights | ArrayLike) -> Floats:
    """(q, q) credits in [0, 1], 1 on the diagonal: 1 - d / (q - 1) at distance d (linear),
    1 - d^2 / (q - 1)^2 (quadratic), 1 - v / max v for a symmetric (q, q) matrix v of disagreements
    that is 0 on the diagonal."""
    if isinstance(weights, str):
        if weights == "identity":
            return np.eye(q)
        power = {"linear": 1, "quadratic": 2}.get(weights)
        if power is None:
            raise BenchError(f"weights {weights!r}; identity, linear, quadratic or a matrix")
        distance = np.abs(np.subtract.outer(np.arange(q), np.arange(q)))
        closeness: Floats = 1 - (distance / (q - 1)) ** power
        return closeness
    cost = np.asarray(weights, dtype=np.float64)
    good = cost.shape == (q, q) and bool((np.isfinite(cost) & (cost >= 0)).all())
    if not good or np.diag(cost).any() or (cost != cost.T).any() or not cost.any():
        raise BenchError(
            f"weights of shape {cost.shape}; a symmetric ({q}, {q}) matrix of disagreements "
            "expected, 0 on the diagonal and positive somewhere else"
        )
    agreement: Floats = 1 - cost / cost.max()
    return agreement


def scott_pi_of_table(shares: Floats, weights: Floats) -> Coefficient:
    """Scott 1955: both sides draw from the mean of their margins."""
    spread = weights @ _mean_margin(shares)
    chance = float(_mean_margin(shares) @ spread)
    return coefficient(shares, weights, chance, np.add.outer(spread, spread) - 2 * chance)


def gwet_ac_of_table(shares: Floats, weights: Floats) -> Coefficient:
    """AC1 of Gwet 2008, with weights AC2: pe = sum w sum m (1 - m) / (q (q - 1)), m the mean
    margin. It depends on q, so a category that nobody used counts."""
    q, margin = len(shares), _mean_margin(shares)
    scale = float(weights.sum()) / (q * (q - 1))
    same = float(margin @ margin)
    slope = scale * (2 * same - np.add.outer(margin, margin))
    return coefficient(shares, weights, scale * (1 - same), slope)


def bennett_s_of_table(shares: Floats, weights: Floats) -> Coefficient:
    """Bennett, Alpert & Goldstein 1954 (Brennan & Prediger 1981; PABAK for two categories): all
    categories are equally likely, whatever was said."""
    return coefficient(shares, weights, float(weights.mean()), np.zeros_like(shares))


def _mean_margin(shares: Floats) -> Floats:
    mean: Floats = (shares.sum(axis=1) + shares.sum(axis=0)) / 2
    return mean


_OF_TABLE: dict[Chance, tuple[str, Callable[[Floats, Floats], Coefficient]]] = {
    "cohen": ("Cohen kappa", kappa_of_table),
    "scott": ("Scott pi", scott_pi_of_table),
    "gwet": ("Gwet AC", gwet_ac_of_table),
    "bennett": ("Bennett S", bennett_s_of_table),
}


def chance_corrected(
    judge: ArrayLike,
    human: ArrayLike,
    n_categories: int,
    clusters: Clusters | ArrayLike | None = None,
    *,
    chance: Chance = "cohen",
    weights: Weights | ArrayLike = "identity",
    symmetrise: bool = False,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """A chance-corrected coefficient, weighted or not, plain or symmetrised.

    `judge`, `human`: (n,) categories 0..n_categories - 1. `weights`: as `agreement_weights`.
    `symmetrise`: average the table with its mirror image (category c against q - 1 - c), for
    categories whose direction is arbitrary, such as first, tie, second. `clusters`: (n,) prompt
    ids; without them rows are independent and the variance is that over n, not n - 1.

    Interval and undefined cases as in `symmetrised_kappa`. With one category only kappa and pi
    are NaN; AC and S are 1. With weights S can fall below -1.
    """
    if chance not in _OF_TABLE:
        raise BenchError(f"chance {chance!r}; one of {', '.join(_OF_TABLE)} expected")
    cells = table_cells(judge, human, 0, n_categories)
    name, of_table = _OF_TABLE[chance]
    credit = agreement_weights(n_categories, weights)
    shares = table_shares(cells, n_categories)
    found = (
        mirrored(lambda table: of_table(table, credit), shares)
        if symmetrise
        else of_table(shares, credit)
    )
    label = weights if isinstance(weights, str) else "own"
    method = f"{'symmetrised ' * symmetrise}{name}" + f", {label} weights" * (label != "identity")
    return coefficient_estimate(method, found, cells, clusters, level, missing)


@dataclass(frozen=True, slots=True)
class Paradox:
    """A 2x2 table whole: why one agreement gives a high and a low kappa (Feinstein & Cicchetti
    1990; Byrt, Bishop & Carlin 1993).

    `alpha`: Krippendorff's, two raters without gaps. Of this table, hence without interval:
    `kappa_max`, the kappa that these margins allow; `prevalence`, |a - d|, and `bias`, |b - c|,
    with a and d the shares of the two agreements, b and c of the two disagreements.
    """

    agreement: Estimate
    kappa: Estimate
    pi: Estimate
    alpha: Estimate
    ac1: Estimate
    s: Estimate
    kappa_max: float
    prevalence: float
    bias: float


def paradox(
    judge: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Paradox:
    """`judge`, `human`: (n,) categories 0 or 1. `clusters`: (n,) prompt ids."""
    cells = table_cells(judge, human, 0, 2)
    groups = Clusters.of(clusters, cells.size)
    shares = table_shares(cells, 2)

    def corrected(chance: Chance) -> Estimate:
        return chance_corrected(
            cells // 2, cells % 2, 2, groups, chance=chance, level=level, missing=missing
        )

    pi = corrected("scott")
    return Paradox(
        agreement=cluster_wilson(cells // 2 == cells % 2, groups, level=level, missing=missing),
        kappa=corrected("cohen"),
        pi=pi,
        alpha=_alpha_of_pi(pi),
        ac1=corrected("gwet"),
        s=corrected("bennett"),
        kappa_max=kappa_max(shares),
        prevalence=abs(float(shares[0, 0] - shares[1, 1])) if cells.size else float("nan"),
        bias=abs(float(shares[0, 1] - shares[1, 0])) if cells.size else float("nan"),
    )


def kappa_max(shares: Floats) -> float:
    """The greatest kappa that the margins of a (q, q) table of shares allow; NaN where both sides
    are constant or there is no row."""
    judge, human = shares.sum(axis=1), shares.sum(axis=0)
    chance = float(judge @ human)
    if not shares.any() or 1 - chance < 1e-12:
        return float("nan")
    return (float(np.minimum(judge, human).sum()) - chance) / (1 - chance)


def _alpha_of_pi(pi: Estimate) -> Estimate:
    """Two raters, n rows: 1 - alpha = (1 - pi) (1 - 1 / 2n)."""
    shrink = 1 - 1 / (2 * max(1, pi.n_items))
    value, lo, hi = (1 - (1 - x) * shrink for x in (pi.estimate, pi.lo, pi.hi))
    method = "Krippendorff alpha, two raters"
    return replace(pi, estimate=value, lo=lo, hi=hi, se=pi.se * shrink, method=method)
