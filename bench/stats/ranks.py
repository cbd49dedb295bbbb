"""What pairwise comparisons say about ranks: an interval for each, and letters for a table."""

from __future__ import annotations

from string import ascii_letters

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters
from bench.stats.resample import REPLICATES, resampled_sums
from bench.stats.simultaneous import checked_credits, macro_influence
from bench.types import BenchError


def rank_intervals(better: ArrayLike) -> NDArray[np.int64]:
    """(J, 2) first and last rank that each judge may have: 1 + the number of judges significantly
    better, J - the number significantly worse.

    `better`: (J, J), true at [i, k] when i is significantly better than k. Where these claims hold
    together at 95 % (simultaneous comparisons), so do the intervals (Mogstad, Romano, Shaikh &
    Wilhelm 2024).
    """
    matrix = _checked(better)
    return np.stack([1 + matrix.sum(axis=0), len(matrix) - matrix.sum(axis=1)], axis=1)


def compact_letters(better: ArrayLike) -> tuple[str, ...]:
    """Letters of J judges, given from best to worst: two that share a letter do not differ.

    Insert and absorb (Piepho 2004): each significant pair splits every letter that both have, and
    letters whose judges all have another letter in common are dropped. What remains are the
    largest sets of judges without a difference; the letter a goes to the set that starts highest.
    `better`: as in `rank_intervals`.
    """
    matrix = _checked(better)
    sets = {frozenset(range(len(matrix)))}
    for i, k in np.argwhere(np.triu(matrix | matrix.T)):
        split = {kept for s in sets for kept in ((s - {i}, s - {k}) if {i, k} <= s else (s,))}
        sets = {s for s in split if not any(s < other for other in split)}
    ordered = sorted(sets, key=sorted)
    names = [ascii_letters[n % 52] + "'" * (n // 52) for n in range(len(ordered))]
    return tuple(
        "".join(name for name, members in zip(names, ordered, strict=True) if judge in members)
        for judge in range(len(matrix))
    )


def _checked(better: ArrayLike) -> NDArray[np.bool_]:
    matrix = np.asarray(better, dtype=np.bool_)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise BenchError(f"better has shape {matrix.shape}; a square matrix expected")
    both = np.argwhere(matrix & matrix.T)
    if both.size:
        i, k = both[0]
        raise BenchError(f"better[{i}, {k}] and better[{k}, {i}] are both true; at most one can be")
    return matrix


def probability_best(
    credits: ArrayLike,
    clusters: Clusters | ArrayLike,
    strata: ArrayLike | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """(J,) share of the cluster-bootstrap resamples in which each judge has the highest mean.

    Descriptive: it is no p-value, and near a tie it is about 1/2 however many items there are.
    `credits`: (n, J) in [0, 1], a credit of every judge for every item; `clusters`, `strata`: (n,)
    prompts and domains; with domains the mean is the unweighted one over domains. Judges that are
    equally good in a resample share it. Fewer than two prompts: NaN.

    Raises BenchError for a credit that is NaN or outside [0, 1].
    """
    values = checked_credits(credits)
    missing = np.argwhere(np.isnan(values))
    if missing.size:
        raise BenchError(f"credits[{missing[0][0]}, {missing[0][1]}] is nan; all credits expected")
    n, judges = values.shape
    groups = Clusters.of(clusters, n)
    if groups.n_clusters < 2:
        return np.full(judges, np.nan)
    domains = Clusters.of(np.zeros(n, int) if strata is None else strata, n)
    row_weights = 1 / (domains.sizes[domains.codes] * domains.n_clusters)
    influence = [
        macro_influence(column, groups.codes, domains.codes, groups.n_clusters)
        for column in values.T
    ]
    moves = resampled_sums(np.stack(influence, axis=1), replicates=replicates, seed=seed)
    drawn = row_weights @ values + moves
    best = drawn >= drawn.max(axis=1, keepdims=True) - 1e-12
    shares: NDArray[np.float64] = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares
