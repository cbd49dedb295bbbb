"""Systems on one scale from who beat whom: the rankings that a judge, or a human, induces."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import NO_VARIANCE, Clusters, Floats, Ints, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.types import BenchError

_STEPS = 100
_CONVERGED = 1e-10


def bradley_terry(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    clusters: Clusters | ArrayLike | None = None,
    *,
    n_systems: int | None = None,
    reference: int = 0,
    level: float = 0.95,
) -> tuple[Estimate, ...]:
    """Log ability of every system less that of `reference` (Bradley & Terry 1952): system i beats k
    with probability 1 / (1 + exp(a_k - a_i)). Maximum likelihood by Newton's method.

    `first`, `second`: (n,) systems 0, 1, ... of each comparison. `outcomes`: (n,) 1 the first won,
    0 a tie, half a win for each, -1 the second. `clusters`: (n,) prompt ids; with them the error is
    the cluster sandwich with G / (G - 1) and t(G_eff - 1), without them that of independent
    comparisons and the normal law. `n_systems`: where some have no comparison.

    Abilities are finite only among systems that are joined both ways by chains of wins (Ford
    1957). One that never lost to the reference's group, never won against it, or was never
    compared with it is degenerate, and so is one without variation between prompts. The reference
    is 0 by definition. One cluster: no interval. Errors name the row.
    """
    i, k, won, size = _games(first, second, outcomes, n_systems)
    groups = None if clusters is None else Clusters.of(clusters, i.size)
    if not 0 <= reference < size:
        raise BenchError(f"reference {reference}; a system from 0 to {size - 1} expected")
    reach = _reach(_wins(np.stack([i, k]), won, size) > 0)
    joined = reach[reference] & reach[:, reference]
    rows = joined[i] & joined[k]
    place = np.cumsum(joined) - 1  # of a joined system among them
    kept = None if groups is None else groups.take(rows)
    where = np.stack([place[i[rows]], place[k[rows]]])
    ability, variance = _fit(where, won[rows], kept, int(joined.sum()), int(place[reference]))
    basis = _basis(kept, level, int(rows.sum()), i.size)
    df = kept.df if kept is not None and kept.n_items else math.inf

    def one(system: int) -> Estimate:
        if not i.size:
            return basis.undefined("insufficient", "no comparisons")
        if not joined[system]:
            wins, loses = bool(reach[system, reference]), bool(reach[reference, system])
            return basis.undefined("degenerate", _NOTES[wins, loses])
        if system == reference:
            return basis.estimate(0.0, (0.0, 0.0), se=0.0, n_eff=math.nan, df=df, note="reference")
        return _estimate(basis, float(ability[place[system]]), variance[place[system]], df)

    return tuple(one(system) for system in range(size))


_NOTES = {
    (True, False): "never lost to the reference's group: infinitely better",
    (False, True): "never won against the reference's group: infinitely worse",
    (False, False): "not connected with the reference",
}


def _games(
    first: ArrayLike, second: ArrayLike, outcomes: ArrayLike, n_systems: int | None
) -> tuple[Ints, Ints, Floats, int]:
    """Checked systems of each row, the share of a win for the first, and the number of systems."""
    score = checked(outcomes, -1, 1, "outcomes")
    top = math.inf if n_systems is None else n_systems - 1
    sides = [checked(s, 0, top, what) for s, what in ((first, "first"), (second, "second"))]
    if not sides[0].size == sides[1].size == score.size:
        raise BenchError(
            f"{sides[0].size} first and {sides[1].size} second systems for {score.size} outcomes"
        )
    if any((side != np.round(side)).any() for side in sides):
        raise BenchError("a system has a fractional number; 0, 1, ... expected")
    same = sides[0] == sides[1]
    if same.any():
        raise BenchError(f"row {int(np.argmax(same))} compares system {sides[0][same][0]:g} with "
                         "itself")  # fmt: skip
    i, k = (side.astype(np.int64) for side in sides)
    size = 1 + int(max(i.max(initial=-1), k.max(initial=-1))) if n_systems is None else n_systems
    return i, k, (1 + score) / 2, size


def _reach(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(J, J) true at [i, k] when a chain of wins leads from i to k, or i is k (Warshall 1962)."""
    reach = edges | np.eye(len(edges), dtype=np.bool_)
    for middle in range(len(edges)):
        reach |= reach[:, [middle]] & reach[middle]
    return reach


def _wins(where: Ints, won: Floats, size: int) -> Floats:
    """(size, size) wins of the row's system over the column's. `where`: (2, n) systems."""
    wins = np.zeros((size, size))
    np.add.at(wins, (where[0], where[1]), won)
    np.add.at(wins, (where[1], where[0]), 1 - won)
    return wins


def _fit(
    where: Ints, won: Floats, groups: Clusters | None, size: int, reference: int
) -> tuple[Floats, Floats]:
    """(size,) log abilities, 0 at the reference, of systems that are joined both ways, and their
    variances. `where`: (2, n) systems of each row."""
    wins = _wins(where, won, size)
    games, free = wins + wins.T, np.delete(np.arange(size), reference)
    ability, inverse = np.zeros(size), np.zeros((size, size))
    for _ in range(_STEPS):
        p = _win_probability(ability[:, None] - ability)
        spread = games * p * (1 - p)
        information = np.diag(spread.sum(axis=1)) - spread
        inverse[np.ix_(free, free)] = np.linalg.inv(information[np.ix_(free, free)])
        step = inverse @ (wins - games * p).sum(axis=1)
        largest = float(np.abs(step).max())
        ability += step / max(1.0, largest)  # a long step overshoots where the likelihood is flat
        if largest < _CONVERGED:
            break
    if groups is not None:
        inverse = _sandwich(inverse, ability, where, won, groups)
    return ability, np.diag(inverse)


def _win_probability(difference: Floats) -> Floats:
    from scipy.special import expit

    p: Floats = expit(difference)
    return p


def _sandwich(
    inverse: Floats, ability: Floats, where: Ints, won: Floats, groups: Clusters
) -> Floats:
    """Covariance of the abilities when the comparisons of a prompt go together."""
    g = groups.n_clusters
    surprise = won - _win_probability(ability[where[0]] - ability[where[1]])
    scores = np.zeros((g, ability.size))
    np.add.at(scores, (groups.codes, where[0]), surprise)
    np.add.at(scores, (groups.codes, where[1]), -surprise)
    moved = scores @ inverse
    covariance: Floats = moved.T @ moved * (g / (g - 1) if g > 1 else math.nan)
    return covariance


def _basis(groups: Clusters | None, level: float, n: int, n_rows: int) -> Basis:
    method = "Bradley-Terry" if groups is None else "Bradley-Terry, cluster sandwich"
    return Basis(method, level, n, n if groups is None else groups.n_clusters, n_rows - n)


def _estimate(basis: Basis, value: float, variance: float, df: float) -> Estimate:
    if math.isnan(variance):
        return basis.undefined("one_cluster", "one prompt: its error is unknown", value)
    if variance < NO_VARIANCE:
        return basis.undefined("degenerate", "no variation between prompts", value)
    se = math.sqrt(variance)
    half = critical_value(basis.level, df) * se
    return basis.estimate(value, (value - half, value + half), se=se, n_eff=math.nan, df=df)
