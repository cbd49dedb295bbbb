"""Which judges are worth their price: the frontier of cost and score, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters, Floats, checked
from bench.stats.resample import REPLICATES, Resample
from bench.types import BenchError

Bools = NDArray[np.bool_]


def frontier(cost: ArrayLike, score: ArrayLike) -> Bools:
    """(j,) true where no other judge costs no more and scores no less, one of them strictly. Equal
    judges stand or fall together. Finite numbers, at least 0 for costs."""
    costs = checked(cost, 0, math.inf, "cost")
    scores = checked(score, -math.inf, math.inf, "score")
    return _undominated(costs, scores[None, :]).ravel()


def _undominated(cost: Floats, scores: Floats) -> Bools:
    """(j,) costs and (replicates, j) scores -> (replicates, j)."""
    if scores.shape[1] != cost.size:
        raise BenchError(f"{cost.size} costs for {scores.shape[1]} judges; one each expected")
    on: Bools = np.ones(scores.shape, bool)
    for j in range(cost.size):
        other, own = scores[:, j, None], scores
        beats = (cost[j] <= cost) & (other >= own) & ((cost[j] < cost) | (other > own))
        on &= ~beats
    return on


@dataclass(frozen=True, eq=False)
class Frontier:
    """`score`: (j,) mean credits. `on`: (j,) on the frontier of these. `probability`: (j,) share of
    the resamples in which the judge is; NaN with fewer than two prompts."""

    score: Floats
    on: Bools
    probability: Floats


def pareto(
    cost: ArrayLike,
    credits: Sequence[ArrayLike],
    clusters: Clusters | ArrayLike,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Frontier:
    """Frontier of j judges and the probability of being on it.

    `cost`: (j,) known costs. `credits`: j of (n,) credits on the same items. The judges are
    resampled together, by prompt, so that what is hard for all of them moves none. Raises
    BenchError without an item.
    """
    costs = checked(cost, 0, math.inf, "cost")
    columns = [checked(c, 0, 1, f"credits[{j}]") for j, c in enumerate(credits)]
    n = columns[0].size if columns else 0
    if n == 0 or any(c.size != n for c in columns):
        raise BenchError(f"{[c.size for c in columns]} credits; as many, at least one, expected")
    sample = Resample.of([np.ones(n), *columns], clusters, replicates=replicates, seed=seed)
    score = sample.observed[:, 1:] / n
    on = _undominated(costs, score)[0]
    if sample.groups.n_clusters < 2:
        return Frontier(score[0], on, np.full(costs.size, np.nan))
    drawn = sample.draws[sample.draws[:, 0] > 0]
    # One divisor for all judges of a resample: ties survive.
    return Frontier(score[0], on, _undominated(costs, drawn[:, 1:]).mean(axis=0))
