"""Many p-values at once: adjusted so that one threshold serves the whole family.

A family of planned claims wants the chance of any false one bounded (Holm); a scan for things worth
a second look wants the share of false ones among those found bounded (Benjamini-Hochberg).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Floats, checked


def bonferroni(p: ArrayLike) -> Floats:
    """(m,) p-values -> min(1, m p): any dependence, and never better than Holm."""
    values = checked(p, 0, 1, "p")
    return np.minimum(1.0, values.size * values)


def holm(p: ArrayLike) -> Floats:
    """(m,) p-values -> adjusted, in the order given; the chance of any false rejection is bounded
    under any dependence (Holm 1979). The i-th smallest times m - i + 1, made monotone.

    Raises BenchError for a p that is NaN or outside [0, 1], with its position: leave out tests
    that could not be done, they are no part of the family.
    """
    values = checked(p, 0, 1, "p")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    return _in_place(stepped, order)


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """(m,) p-values -> adjusted; the expected share of false ones among the rejected is bounded for
    independent or positively dependent tests (Benjamini & Hochberg 1995). The i-th smallest times
    m / i, made monotone from the largest down. Errors as in `holm`."""
    values = checked(p, 0, 1, "p")
    order = np.argsort(values, kind="stable")
    scaled = values[order] * values.size / np.arange(1, values.size + 1)
    return _in_place(np.minimum.accumulate(scaled[::-1])[::-1], order)


def benjamini_yekutieli(p: ArrayLike) -> Floats:
    """As `benjamini_hochberg`, under any dependence: times 1 + 1/2 + ... + 1/m (Benjamini &
    Yekutieli 2001)."""
    values = checked(p, 0, 1, "p")
    order = np.argsort(values, kind="stable")
    m = np.arange(1, values.size + 1)
    scaled = values[order] * values.size / m * np.sum(1 / m)
    return _in_place(np.minimum.accumulate(scaled[::-1])[::-1], order)


def _in_place(adjusted: Floats, order: NDArray[np.intp]) -> Floats:
    """Adjusted values of the sorted p-values -> in the order given, at most 1."""
    out = np.empty_like(adjusted)
    out[order] = np.minimum(1.0, adjusted)
    return out
