"""How far is the label itself to be trusted? Strata of items by the humans' own agreement, and
classes of answers by what becomes of them when the same human is asked again.

An item looks unanimous partly by luck, and then agrees well with any judge on the votes that were
lucky. So half of an item's votes say which stratum it is in and only the others score the judge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats, Ints, checked
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.resample import REPLICATES, Resample
from bench.stats.verdicts import complete, maybe, verdicts
from bench.types import BenchError

MIN_VOTES = 3
"""Two to say whether humans agree, and one to score the judge."""

CLASS_REPLICATES = 2_000
_MOST_ITERATIONS = 3_000


@dataclass(frozen=True, slots=True)
class Stratum:
    """`share`: of the items, each counting for its share of the splits that put it here. `judge`,
    `human`: agreement with the other half of the votes, of the judge and of a human of the half
    that chose the stratum; of a tied half that human agrees in 1/2, whatever the others say."""

    share: Estimate
    judge: Estimate
    human: Estimate


@dataclass(frozen=True, slots=True)
class Strata:
    """Items whose sorting votes are all for one response, mostly for one, tied."""

    unanimous: Stratum
    majority: Stratum
    split: Stratum


def vote_strata(
    judge: ArrayLike,
    votes: ArrayLike,
    first: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Strata:
    """Agreement of a judge with humans by stratum, averaged over all splits of an item's votes.

    Of m votes, m / 2 (rounded up) sort the item and the rest score the judge; with k votes for the
    first response the number among the sorting ones is hypergeometric, so no split is enumerated.
    A sorting half of two votes has no majority and one of three no tie: strata compare judges on
    the same items, not data sets with other numbers of votes.

    `judge`: (n,) in [-1, 1], +1 for the first response, -1 for the second, 0 for a tie (credit
    1/2), fractions for a mean over orders, NaN for a failure, which agrees with nobody. `votes`,
    `first`: (n,) decisive votes m, and those for the first response k. Items with fewer than three
    votes count as missing. Cluster bootstrap of ratios; shares have Wilson's interval.
    """
    said = maybe(judge, -1, 1, "judge")
    m, k = checked(votes, 0, 1e4, "votes"), checked(first, 0, 1e4, "first")
    complete(judge=said, votes=m, first=k)
    bad = (m % 1 != 0) | (k % 1 != 0) | (k > m)
    if bad.any():
        i = int(np.argmax(bad))
        raise BenchError(
            f"item {i}: {k[i]:g} votes for the first response of {m[i]:g}; whole numbers "
            "expected, the first no larger than the second"
        )
    rows = m >= MIN_VOTES
    groups, missing = Clusters.of(clusters, m.size).take(rows), int(np.sum(~rows))
    parts = _parts(said[rows], m[rows], k[rows])
    columns = [column for stratum in parts for column in stratum]
    sample = Resample.of(columns, groups, replicates=replicates, seed=seed)

    def report(s: int, name: str) -> Stratum:
        def agreement(who: str, row: int) -> Estimate:
            def ratio(sums: Floats) -> Floats:
                weight = sums[:, 3 * s]
                known = weight > 1e-9
                value: Floats = sums[:, 3 * s + row] / np.where(known, weight, np.nan)
                return value

            what = f"agreement of {who} on {name} items"
            return sample.estimate(ratio, what, level=level, missing=missing, bounds=(0, 1))

        share = cluster_wilson(parts[s, 0], groups, level=level, missing=missing)
        return Stratum(share, agreement("the judge", 1), agreement("a human", 2))

    return Strata(report(0, "unanimous"), report(1, "majority"), report(2, "split"))


def _parts(said: Floats, m: Floats, k: Floats) -> Floats:
    """(3 strata, 3, n): the chance of the stratum, and within it the judge's and a human's
    agreement with the votes left, times that chance."""
    from scipy.stats import hypergeom

    parts = np.zeros((3, 3, m.size))
    half = np.ceil(m / 2)
    # The same j of every item at a time; an item whose half is smaller has no chance of it.
    for j in range(int(half.max(initial=0)) + 1):
        chance = np.where(j <= half, hypergeom.pmf(j, m, k, half), 0.0)
        rest = np.clip((k - j) / (m - half), 0, 1)
        judge = np.where(np.isnan(said), 0.0, (1 + said * (2 * rest - 1)) / 2)
        share = j / half
        human = (1 + (2 * share - 1) * (2 * rest - 1)) / 2
        of = np.where((j == 0) | (j == half), 0, np.where(2 * j == half, 2, 1))
        for s in range(3):
            parts[s] += np.where(of == s, chance, 0.0) * np.stack([np.ones(m.size), judge, human])
    return np.clip(parts, 0, 1)  # only removes rounding noise


@dataclass(frozen=True, eq=False)
class AnswerClasses:
    """Shares of the answers of one human on one item, and (n, 3) the probability of each class,
    in the order of the fields, given the answers; NaN for fewer than two answers.

    `genuine`: the same however often and in whichever order. `constructed`: the same within an
    order, another one when the order changes. `non_attitude`: drawn anew each time. A human who
    knows and sometimes slips is counted as part non-attitude.
    """

    genuine: Estimate
    constructed: Estimate
    non_attitude: Estimate
    posterior: Floats


def answer_classes(
    own: ArrayLike,
    swapped: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    replicates: int = CLASS_REPLICATES,
    seed: int = 0,
) -> AnswerClasses:
    """Mixture of three classes, fitted by EM to the answers of one human on one item.

    `own`, `swapped`: (n, a) and (n, b) answers +1, 0, -1 in item coordinates, NaN where there is
    none, to the item shown in its own order and in the other. `clusters`: (n,) prompt ids.

    The laws of the classes are fixed, so only their shares are fitted and the likelihood has one
    maximum. Answers follow one law in every class: the ties of all answers, and both responses
    alike. With pairs of answers only the fit is that of moments: with agreement r in one order and
    s across orders, and no ties, constructed = r - s, non-attitude = 2 (1 - r),
    genuine = r + s - 1. Bootstrap interval over prompts, tie rate and laws fixed.

    Nobody answered twice in one order, or nobody in both: insufficient, because two classes then
    look the same. Rows with fewer than two answers count as missing.
    """
    sides = [verdicts(x, name, ndim=2) for x, name in ((own, "own"), (swapped, "swapped"))]
    complete(own=sides[0][:, :0], swapped=sides[1][:, :0])
    counts = np.stack([[np.sum(x == v, axis=1) for v in (-1, 0, 1)] for x in sides])
    rows = counts.sum(axis=(0, 1)) >= 2
    groups, missing = Clusters.of(clusters, rows.size).take(rows), int(np.sum(~rows))
    posterior = np.full((rows.size, 3), np.nan)
    reason = _not_identified(counts)
    if reason:
        basis = Basis("EM of answer classes", level, groups.n_items, groups.n_clusters, missing)
        unknown = basis.undefined("insufficient", reason)
        return AnswerClasses(unknown, unknown, unknown, posterior)
    patterns, codes = np.unique(counts[:, :, rows].reshape(6, -1), axis=1, return_inverse=True)
    laws = _laws(patterns.T.reshape(-1, 2, 3), counts)
    columns = [(codes.ravel() == p).astype(np.float64) for p in range(len(laws))]
    sample = Resample.of(columns, groups, replicates=replicates, seed=seed)
    fitted = Resample(groups, _shares(sample.observed, laws), _shares(sample.draws, laws), seed)
    joint = laws * fitted.observed
    posterior[rows] = (joint / joint.sum(axis=1, keepdims=True))[codes.ravel()]

    def share(c: int, name: str) -> Estimate:
        def column(shares: Floats) -> Floats:
            return shares[:, c]

        what = f"share of {name} answers, EM"
        return fitted.estimate(column, what, level=level, missing=missing, bounds=(0, 1))

    return AnswerClasses(
        share(0, "genuine"), share(1, "constructed"), share(2, "non-attitude"), posterior
    )


def _not_identified(counts: Ints) -> str:
    """(2 orders, 3 answers, n) -> why the classes cannot be told apart, or nothing."""
    answers = counts.sum(axis=1)
    if not (answers >= 2).any():
        return "nobody answered twice in one order: constructed answers look like non-attitudes"
    if not (answers >= 1).all(axis=0).any():
        return "nobody answered in both orders: constructed answers look genuine"
    if counts.any(axis=(0, 2)).sum() == 1 and counts[:, 1].any():
        return "every answer is a tie"
    return ""


def _laws(patterns: Ints, counts: Ints) -> Floats:
    """(P, 2, 3) answers per order -> (P, 3) probability of them in each class."""
    tie = counts[:, 1].sum() / counts.sum()
    p = np.array([(1 - tie) / 2, tie, (1 - tie) / 2])
    given = patterns > 0
    kinds = given.sum(axis=2)  # different answers in each order
    total = patterns.sum(axis=1)
    one = (total > 0).sum(axis=1) == 1
    genuine = np.where(one, ((total > 0) * p).sum(axis=1), 0.0)
    first, second = (np.where(given[:, f], p, 1.0).prod(axis=1) for f in (0, 1))
    both = (kinds > 0).all(axis=1)
    apart = np.where(both, 1 - np.sum(p**2), 1.0)  # law of two answers that differ
    changed = (kinds <= 1).all(axis=1) & ~(both & one)
    constructed = np.where(changed, first * second / apart, 0.0)
    anew = np.prod(np.where(total > 0, p, 1.0) ** total, axis=1)
    return np.stack([genuine, constructed, anew], axis=1)


def _shares(counts: Floats, laws: Floats) -> Floats:
    """(B, P) numbers of each pattern -> (B, 3) maximum-likelihood shares of the classes."""
    shares = np.full((len(counts), 3), 1 / 3)
    weights = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    for _ in range(_MOST_ITERATIONS):
        ratio = weights / np.maximum(shares @ laws.T, 1e-300)
        new = shares * (ratio @ laws)
        done = np.max(np.abs(new - shares)) < 1e-9
        shares = new
        if done:
            break
    return shares
