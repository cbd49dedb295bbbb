"""Permutation test of a paired difference: if two judges are alike, a prompt could as well have
favoured the other one by as much."""

from __future__ import annotations

import math
import sys
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters, Floats, checked
from bench.stats.resample import REPLICATES
from bench.types import BenchError

EXACT_UP_TO = 14
"""Prompts with a difference, up to which all sign vectors are tried."""

_LARGEST = sys.float_info.max
_CHUNK_BYTES = 1 << 20  # random bytes at a time; each is looked up as one 8-byte partial sum


def signflip(
    differences: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    strata: ArrayLike | None = None,
    alternative: Literal["two-sided", "greater"] = "two-sided",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> float:
    """p-value of the mean difference under random signs of whole prompts (Fisher 1935).

    The null hypothesis: the sum of the differences of a prompt is as likely as its negative. So
    all rows of a prompt flip together, and rows that share a prompt do no harm. `differences`:
    (n,) credit of the first judge minus that of the second. `clusters`: (n,) prompt ids. `strata`:
    (n,) domains; with them the statistic is the unweighted mean over domains of the mean
    differences. `alternative`: "greater" asks only whether the first judge is better.

    Up to 14 prompts whose sum is not zero every sign vector counts once; beyond, p = (1 + #) /
    (replicates + 1), # being the random sign vectors with a statistic at least as extreme. The
    order of rows and the names of prompts do not matter. No difference anywhere: 1. No row: NaN.

    Raises BenchError for a difference that is NaN or infinite, with its position.
    """
    if alternative not in ("two-sided", "greater"):
        raise BenchError(f"alternative is {alternative!r}; two-sided or greater expected")
    d = checked(differences, -_LARGEST, _LARGEST, "differences")
    groups = Clusters.of(clusters, d.size)
    if d.size == 0:
        return math.nan
    sums = groups.sums(d * _row_weights(strata, d.size))
    total, rounding = float(sums.sum()), 1e-12 * float(np.abs(sums).sum())
    # The law of the flipped sum does not know the signs; sorted, it does not know the order.
    sizes = np.sort(np.abs(sums))
    sizes = sizes[sizes > rounding]
    exact = sizes.size <= EXACT_UP_TO
    flipped = _all_flips(sizes) if exact else _random_flips(sizes, replicates, seed)
    if alternative == "two-sided":
        flipped, total = np.abs(flipped), abs(total)
    extreme = int(np.count_nonzero(flipped >= total - rounding))
    return extreme / flipped.size if exact else (1 + extreme) / (replicates + 1)


def _row_weights(strata: ArrayLike | None, n: int) -> Floats:
    """(n,) weights: one over the rows of the row's stratum."""
    if strata is None:
        return np.full(n, 1 / n)
    domains = Clusters.of(strata, n)
    weights: Floats = 1 / domains.sizes[domains.codes]
    return weights


def _all_flips(sizes: Floats) -> Floats:
    """(k,) sizes -> (2^k,) sums, one for every sign vector."""
    masks = np.arange(1 << sizes.size, dtype="<u8")
    return _flipped_sums(masks.view(np.uint8).reshape(-1, 8), _partial_sums(sizes))


def _random_flips(sizes: Floats, replicates: int, seed: int) -> Floats:
    """(k,) sizes -> (replicates,) sums with random signs; replicate b reads words b w to
    (b + 1) w of one stream, whatever the size of a chunk."""
    table = _partial_sums(sizes)
    words = -(-sizes.size // 64)
    rows = max(1, _CHUNK_BYTES // (8 * words))
    generator = np.random.Philox(key=seed)
    out = np.empty(replicates)
    for start in range(0, replicates, rows):
        part = out[start : start + rows]
        raw = generator.random_raw(part.size * words).astype("<u8", copy=False)
        part[:] = _flipped_sums(raw.view(np.uint8).reshape(part.size, -1), table)
    return out


def _partial_sums(sizes: Floats) -> Floats:
    """(bytes, 256) signed sums of eight sizes at a time, one for each value of a byte of signs:
    so a random byte costs one look-up instead of eight multiplications."""
    padded = np.pad(sizes, (0, -sizes.size % 8)).reshape(-1, 8)
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    return padded @ (1.0 - 2.0 * bits).T


def _flipped_sums(signs: NDArray[np.uint8], table: Floats) -> Floats:
    """(rows, >= bytes) bytes of signs, (bytes, 256) partial sums -> (rows,) sums."""
    used = np.arange(len(table))
    sums: Floats = table.ravel().take(signs[:, : used.size] + 256 * used).sum(axis=1)
    return sums
