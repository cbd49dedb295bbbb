"""Is a judge as like the humans as they are like each other? Kappa of judge and human against
kappa of human and human."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats
from bench.stats.estimate import Basis, Estimate
from bench.stats.resample import Resample
from bench.stats.verdicts import complete, maybe

MIN_SHARED = 30
"""Items that two raters must share for a kappa of theirs."""

REPLICATES = 2_000


@dataclass(frozen=True, eq=False)
class Likeness:
    """Means over pairs of raters. `judge_human`: (J,) kappas of the judge with each human,
    `human_human`: (pairs,) of the humans with each other, in order; NaN for a pair with fewer than
    30 items in common or where chance alone agrees always, which enters no mean.

    `z`: (mean judge_human - mean human_human) over the standard deviation of human_human, a
    variant of Judge's Verdict (2025). It only describes: the pairs share humans and
    items, and its unit is the spread of these humans, however few. NaN below two pairs.

    `difference`: the same difference with an interval over prompts; `difference90` at 1 - 2a, so
    that the judge is as like humans as they are, within a margin, where that lies within it (two
    one-sided tests; `bench.stats.headline` takes both).
    """

    judge_human: Floats
    human_human: Floats
    z: float
    difference: Estimate
    difference90: Estimate


def human_likeness(
    humans: ArrayLike,
    judge: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    symmetrise: bool = False,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Likeness:
    """`humans`: (n, J) labels, any numbers, NaN where not asked. `judge`: (n,) labels, NaN for a
    failure, which is left out. `clusters`: (n,) prompt ids. `symmetrise`: the labels are verdicts
    on pairs (+1, 0, -1) and every table is averaged with its mirror image, x against -x.

    Cohen's kappa of each pair of raters over the items that both labelled. Cluster bootstrap; the
    pairs that enter are those of the sample. Items with fewer than two labels, the judge's
    included, count as missing. No such pair of humans, or none with the judge: insufficient.
    """
    labels = maybe(humans, -math.inf, math.inf, "humans", ndim=2)
    said = maybe(judge, -math.inf, math.inf, "judge")
    complete(humans=labels, judge=said)
    table = np.column_stack([said, labels])
    rows = np.sum(~np.isnan(table), axis=1) >= 2
    groups, missing = Clusters.of(clusters, said.size).take(rows), int(np.sum(~rows))
    pairs = list(itertools.combinations(table[rows].T, 2))  # the judge's come first
    with_judge = np.arange(len(pairs)) < labels.shape[1]
    enough = np.array([np.sum(~np.isnan(a + b)) >= MIN_SHARED for a, b in pairs], bool)
    if not (enough[with_judge].any() and enough[~with_judge].any()):
        basis = Basis("human likeness", level, groups.n_items, groups.n_clusters, missing)
        none = basis.undefined(
            "insufficient", f"no two humans, or no judge, share {MIN_SHARED} items"
        )
        found = np.full(len(pairs), np.nan)
        return Likeness(found[with_judge], found[~with_judge], math.nan, none, none)
    values = np.unique(table[~np.isnan(table)])
    values = np.unique([values, -values]) if symmetrise else values
    columns = [column for a, b in pairs for column in _columns(a, b, values)]
    sample = Resample.of(columns, groups, replicates=replicates, seed=seed)
    found = np.where(enough, _kappas(sample.observed, values.size, symmetrise)[0], np.nan)
    of_judge, of_humans = (side & ~np.isnan(found) for side in (with_judge, ~with_judge))

    def difference(sums: Floats) -> Floats:
        kappa = _kappas(sums, values.size, symmetrise)
        if not (of_judge.any() and of_humans.any()):
            return np.full(len(sums), np.nan)
        apart: Floats = kappa[:, of_judge].mean(axis=1) - kappa[:, of_humans].mean(axis=1)
        return apart

    def at(inner: float) -> Estimate:
        name = "kappa of judge and human less that of humans"
        return sample.estimate(difference, name, level=inner, missing=missing, bounds=(-2, 2))

    apart = at(level)
    spread = float(found[of_humans].std(ddof=1)) if of_humans.sum() > 1 else math.nan
    z = apart.estimate / spread if spread > 0 else math.nan
    return Likeness(found[with_judge], found[~with_judge], z, apart, at(2 * level - 1))


def _columns(a: Floats, b: Floats, values: Floats) -> list[Floats]:
    """Two (n,) ratings -> (n,) columns: whether they agree, and each one's value, of those rows
    that both rated."""
    both = ~np.isnan(a + b)
    margins = [(both & (side == v)).astype(np.float64) for side in (a, b) for v in values]
    return [(both & (a == b)).astype(np.float64), *margins]


def _kappas(sums: Floats, q: int, symmetrise: bool) -> Floats:
    """(B, pairs (1 + 2 q)) sums of `_columns` -> (B, pairs) kappas; NaN where pe is 1 or there is
    no item."""
    columns = sums.reshape(len(sums), -1, 1 + 2 * q)
    agree, first, second = np.split(columns, [1, 1 + q], axis=2)
    if symmetrise:
        first, second = ((side + side[:, :, ::-1]) / 2 for side in (first, second))
    n = first.sum(axis=2)
    rows = np.where(n > 0, n, np.nan)
    chance = (first * second).sum(axis=2) / rows**2
    room = np.where(1 - chance > 1e-12, 1 - chance, np.nan)
    kappa: Floats = (agree[:, :, 0] / rows - chance) / room
    return kappa
