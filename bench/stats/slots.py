"""Lists of more than two responses: which slots a judge picks from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters
from bench.stats.estimate import Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.verdicts import complete, maybe
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class SlotShares:
    """`shares`: of the picks, by slot. `chi2`, `df`, `p`: test that all slots get as many, NaN for
    fewer than two prompts."""

    shares: tuple[Estimate, ...]
    chi2: float
    df: int
    p: float


def slot_shares(
    picks: ArrayLike, clusters: Clusters | ArrayLike, *, level: float = 0.95
) -> SlotShares:
    """`picks`: (n, k) what each slot got of a showing's verdict: 1 and zeros, or 1/m for each of m
    that tie; NaN in the whole row without verdict, which counts as missing. `clusters`: (n,)
    prompt ids.

    Slots are comparable only if every response was shown as often in each, as in a Latin square.
    The test is the cluster-robust score test, d' V^- d with d the shares less 1/k and V the sum
    over clusters of the squared excess over 1/k: as V is not centred it is defined also for a
    judge that always picks one slot. Raises BenchError for a row that does not sum to 1.
    """
    got = maybe(picks, 0, 1, "picks", ndim=2)
    k = got.shape[1]
    rows = complete(picks=got)
    groups = Clusters.of(clusters, len(got)).take(rows)
    for i in np.flatnonzero(rows & (np.abs(got.sum(axis=1) - 1) > 1e-6))[:1]:
        raise BenchError(f"picks[{i}] sum to {got[i].sum():g}; a sum of 1 over the slots expected")
    if k < 2:
        raise BenchError(f"{k} slots; at least 2 expected")
    kept, missing = got[rows], int(np.sum(~rows))
    shares = tuple(
        cluster_wilson(np.minimum(slot, 1), groups, level=level, missing=missing) for slot in kept.T
    )
    if groups.n_clusters < 2:
        return SlotShares(shares, math.nan, k - 1, math.nan)
    from scipy.special import chdtrc

    excess = np.stack([groups.sums(slot - 1 / k) for slot in kept.T], axis=1)
    total = excess.sum(axis=0)
    inverse = np.linalg.pinv(excess.T @ excess, rcond=1e-10, hermitian=True)
    chi2 = float(total @ inverse @ total)
    return SlotShares(shares, chi2, k - 1, float(chdtrc(k - 1, chi2)))
