"""The alternative annotator test: would a judge do instead of a human (Calderon et al. 2025)?

For each annotator j, on the items that j and another human labelled: does the judge agree with the
other humans at least as often as j does? The judge is cheaper, so it may lose by epsilon and still
be preferred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import NO_VARIANCE, Clusters, Floats
from bench.stats.estimate import Basis, Estimate
from bench.stats.resample import Resample
from bench.stats.verdicts import complete, maybe
from bench.types import BenchError

MIN_ANNOTATORS = 3
MIN_ITEMS = 30
"""Items that an annotator must share with others to be tested."""

REPLICATES = 2_000
_ANY = (-math.inf, math.inf)
_COLUMNS, _PROMPTS, _N = 8, 0, 1  # of each annotator, summed over prompts


@dataclass(frozen=True, eq=False)
class AltTest:
    """Of the J annotators tested: `annotators`: (J,) columns of the input; `n_items`: (J,).
    `difference`: (J,) share of items where j does at least as well less that where the judge does,
    in [-1, 1], below 0 where the judge is better; `se` and `df` of it. `advantage`: (J,) share of
    items where the judge does at least as well.

    `rejected`: (J,) the judge is preferred to j, all J tests at once (Benjamini & Yekutieli 2001).
    `omega`: their share; NaN where refused. `rho`: mean advantage. `smallest_epsilon`: above it
    the judge passes. `note`: why there is no test, or who was left out.
    """

    epsilon: float
    q: float
    annotators: NDArray[np.intp]
    n_items: Floats
    difference: Floats
    se: Floats
    df: Floats
    advantage: Floats
    rho: Estimate
    smallest_epsilon: Estimate
    note: str

    def p_values(self, epsilon: float) -> Floats:
        """(J,) one-sided t tests of difference < epsilon. Where every item gives one difference
        there is nothing to test, and p is 0 below epsilon, else 1."""
        from scipy.special import stdtr

        gap = self.difference - epsilon
        sure = self.se == 0
        t = gap / np.where(sure, 1.0, self.se)
        return np.where(sure, np.where(gap < 0, 0.0, 1.0), stdtr(self.df, t))

    def rejections(self, epsilon: float) -> NDArray[np.bool_]:
        """(J,) annotators that the judge may replace at this epsilon."""
        from scipy.stats import false_discovery_control

        p = self.p_values(epsilon)
        return np.asarray(false_discovery_control(p, method="by") <= self.q if p.size else p > 1)

    def omega_at(self, epsilon: float) -> float:
        """Winning rate: the share of annotators that the judge may replace."""
        rejected = self.rejections(epsilon)
        return float(rejected.mean()) if rejected.size else math.nan

    @property
    def p(self) -> Floats:
        return self.p_values(self.epsilon)

    @property
    def rejected(self) -> NDArray[np.bool_]:
        return self.rejections(self.epsilon)

    @property
    def omega(self) -> float:
        return self.omega_at(self.epsilon)

    @property
    def passes(self) -> bool:
        """The judge may replace half of the annotators or more; never where the test is refused."""
        return self.omega >= 0.5


def alternative_annotator_test(
    humans: ArrayLike,
    judge: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    epsilon: float = 0.2,
    q: float = 0.05,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> AltTest:
    """`humans`: (n, annotators) labels, any numbers (a tie is a label like others), NaN where not
    asked. `judge`: (n,) labels, NaN for a failure, which agrees with nobody. `clusters`: (n,)
    prompt ids. `epsilon`: .2 where annotators are experts, .15 skilled, .1 a crowd. `q`: false
    discovery rate.

    The error of a difference is the larger of the clustered (CR1) and that of independent items,
    with t(G_eff - 1); with one item a prompt it is the paper's test. rho and the smallest epsilon
    have bootstrap intervals over prompts.

    Annotators with fewer than 30 shared items, or all of them on one prompt, are left out; fewer
    than three others: insufficient. Items with fewer than two labels count as missing.
    """
    if not (0 < q < 1 and math.isfinite(epsilon)):
        raise BenchError(f"epsilon {epsilon} and q {q}; a number, and one between 0 and 1 expected")
    labels, said = maybe(humans, *_ANY, "humans", ndim=2), maybe(judge, *_ANY, "judge")
    complete(humans=labels, judge=said)
    rows = np.sum(~np.isnan(labels), axis=1) >= 2
    groups, missing = Clusters.of(clusters, said.size).take(rows), int(np.sum(~rows))
    labels, said = labels[rows], said[rows]
    sums = [_sums(labels, said, j, groups) for j in range(labels.shape[1])]
    testable = [s[_N].sum() >= MIN_ITEMS and s[_PROMPTS].sum() > 1 for s in sums]
    kept = np.flatnonzero(testable)
    out = sorted(set(range(len(sums))) - set(kept.tolist()))
    note = f"left out, too few items or prompts: annotators {out}" if out else ""
    if kept.size < MIN_ANNOTATORS:
        basis = Basis("alternative annotator test", level, said.size, groups.n_clusters, missing)
        why = f"{kept.size} annotators with {MIN_ITEMS} items on several prompts; 3 needed"
        none = basis.undefined("insufficient", why)
        e = np.zeros(0)
        return AltTest(epsilon, q, kept[:0], e, e, e, e, e, none, none, why)
    by_prompt = [column for j in kept for column in sums[j]]
    drawn = Resample.of(by_prompt, range(groups.n_clusters), replicates=replicates, seed=seed)
    sample = Resample(groups, drawn.observed, drawn.draws, seed)
    n, difference, se, df, advantage = (x[0] for x in _tests(sample.observed))

    def mean_advantage(sums: Floats) -> Floats:
        mean: Floats = _tests(sums)[4].mean(axis=1)
        return mean

    def smallest(sums: Floats) -> Floats:
        _, d, errors, _, _ = _tests(sums)
        return _smallest_epsilon(d, errors, df, q)

    rho = sample.estimate(
        mean_advantage, "mean advantage", level=level, missing=missing, bounds=(0, 1)
    )
    least = sample.estimate(smallest, "smallest epsilon", level=level, missing=missing)
    return AltTest(epsilon, q, kept, n, difference, se, df, advantage, rho, least, note)


def _sums(labels: Floats, judge: Floats, j: int, groups: Clusters) -> list[Floats]:
    """(G,) columns per prompt of annotator j: whether there is an item, items n, sum d of the
    differences, their squares, d^2, d n, n^2, and items where the judge does at least as well."""
    asked = ~np.isnan(labels[:, j])
    others = np.delete(labels, j, axis=1)
    # Counts of the others who agree; equally many others judge both, so no share is needed.
    judged = np.sum(others == judge[:, None], axis=1)
    human = np.sum(others == labels[:, j, None], axis=1)
    wins = asked & (judged >= human)
    difference = (asked & (human >= judged)).astype(np.float64) - wins
    n, d, squares, won = (
        groups.sums(x.astype(np.float64)) for x in (asked, difference, difference**2, wins)
    )
    return [(n > 0).astype(np.float64), n, d, squares, d**2, d * n, n**2, won]


def _tests(sums: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """(B, 8 J) sums over prompts -> (B, J) items, difference, its error and degrees of freedom,
    advantage; NaN where a resample has no two prompts."""
    columns = sums.reshape(len(sums), -1, _COLUMNS)
    prompts, n, d, squares, dd, dn, nn, won = np.moveaxis(columns, 2, 0)
    known = prompts > 1
    g, rows = np.where(known, prompts, np.nan), np.where(known & (n > 1), n, np.nan)
    mean = d / rows
    clustered = (dd - 2 * mean * dn + mean**2 * nn) / rows**2 * g / (g - 1)
    independent = (squares / rows - mean**2) / (rows - 1)
    variance = np.maximum(clustered, independent)
    se = np.sqrt(np.where(variance < NO_VARIANCE, 0.0, variance))
    return rows, mean, se, np.maximum(1.0, rows**2 / np.maximum(nn, 1) - 1), won / rows


def _smallest_epsilon(difference: Floats, se: Floats, df: Floats, q: float) -> Floats:
    """(B, J) differences and errors -> (B,) least epsilon with half of the J rejected.

    The step-up procedure rejects k hypotheses where the k-th smallest p is at most
    k q / (J sum 1/i), that is, where the k-th smallest upper limit at that level is below epsilon.
    """
    from scipy.special import stdtrit

    j = df.size
    each = q / (j * np.sum(1 / np.arange(1, j + 1)))
    least = np.full(len(difference), np.inf)
    for k in range(math.ceil(j / 2), j + 1):
        upper = difference + se * stdtrit(df, 1 - k * each)
        least = np.minimum(least, np.sort(upper, axis=1)[:, k - 1])
    return np.where(np.isnan(upper).any(axis=1), np.nan, least)
