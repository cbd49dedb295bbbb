"""Verdicts of which some are missing: +1, 0, -1, and NaN (or None) where there is none."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Floats
from bench.types import BenchError


def maybe(values: ArrayLike, low: float, high: float, what: str, *, ndim: int = 1) -> Floats:
    """Numbers in [low, high] as floats, NaN where missing. Raises BenchError with the position of
    any other value."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BenchError(f"{what}: {error}; numbers and NaN or None expected") from None
    if array.ndim != ndim:
        raise BenchError(f"{what} has shape {array.shape}; {ndim} dimension(s) expected")
    wanted = f"[{low:g}, {high:g}]" if math.isfinite(high - low) else "the finite numbers"
    _refuse(array, (array < low) | (array > high) | np.isinf(array), what, wanted)
    return array


def verdicts(values: ArrayLike, what: str, *, ndim: int = 1) -> Floats:
    """+1, 0 and -1 as floats, NaN where there is no verdict. Raises BenchError with the position of
    any other value."""
    array = maybe(values, -math.inf, math.inf, what, ndim=ndim)
    _refuse(array, ~np.isnan(array) & ~np.isin(array, (-1, 0, 1)), what, "{-1, 0, 1}")
    return array


def _refuse(array: Floats, bad: NDArray[np.bool_], what: str, wanted: str) -> None:
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), array.shape)
        where = ", ".join(map(str, at))
        raise BenchError(f"{what}[{where}] is {array[at]}; a value in {wanted} or NaN expected")


def complete(**columns: Floats) -> NDArray[np.bool_]:
    """(n,) true where none of the (n,) or (n, k) columns is missing. Raises BenchError when their
    lengths differ."""
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise BenchError(f"rows: {told}; as many of each expected")
    known = np.ones(next(iter(sizes.values())), bool)
    for column in columns.values():
        known &= ~np.isnan(column).any(axis=tuple(range(1, column.ndim)))
    return known
