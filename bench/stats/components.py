"""Where the variation of a judge's correctness comes from: items, orders, or asking again.

Items x orders x repeats, fully crossed, repeats within cells: the two-way random-effects analysis
of variance, with components by the method of moments. It says what more repeats would buy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class Component:
    """A variance: `raw` as the moments give it, which may be below 0; `value` cut at 0."""

    raw: float
    value: float


@dataclass(frozen=True, slots=True)
class Components:
    """`mean`: of all trials. `ms_*`: mean squares. NaN where there is one order (order,
    item_order), one repeat (repeat) or one item (item) only.

    With one repeat `item_order` contains the variance between repeats; with one order `item`
    contains that of item x order, and with both one, everything.
    """

    mean: float
    ms_item: float
    ms_order: float
    ms_item_order: float
    ms_repeat: float
    item: Component
    order: Component
    item_order: Component
    repeat: Component
    n_items: int
    note: str


def components(correct: ArrayLike) -> Components:
    """`correct`: (items, orders, repeats) credits, complete.

    Mean squares to variances: repeat = MS_repeat; item x order = (MS_io - MS_repeat) / K;
    item = (MS_item - MS_io) / (O K); order = (MS_order - MS_io) / (n K). Repeats that are always
    the same give 0, which speaks of this sampling alone: what a judge repeats may still be wrong.

    Raises BenchError for other shapes, or a credit that is missing.
    """
    x = np.asarray(correct, dtype=np.float64)
    if x.ndim != 3 or x.size == 0:
        raise BenchError(f"credits have shape {x.shape}; items x orders x repeats expected")
    if not np.isfinite(x).all():
        i, o, k = np.argwhere(~np.isfinite(x))[0]
        raise BenchError(
            f"credit of item {i}, order {o}, repeat {k} is {x[i, o, k]}; a number expected. Leave "
            "out items that lack a trial"
        )
    n, orders, repeats = x.shape
    cell, mean = x.mean(axis=2), float(x.mean())
    by_item, by_order = cell.mean(axis=1), cell.mean(axis=0)
    rest = cell - by_item[:, None] - by_order + mean
    item = _mean_square(orders * repeats * np.sum((by_item - mean) ** 2), n - 1)
    order = _mean_square(n * repeats * np.sum((by_order - mean) ** 2), orders - 1)
    both = _mean_square(repeats * np.sum(rest**2), (n - 1) * (orders - 1))
    repeat = _mean_square(np.sum((x - cell[:, :, None]) ** 2), n * orders * (repeats - 1))
    known = 0.0 if math.isnan(repeat) else repeat
    error = known if math.isnan(both) else both
    return Components(
        mean=mean,
        ms_item=item,
        ms_order=order,
        ms_item_order=both,
        ms_repeat=repeat,
        item=_component((item - error) / (orders * repeats)),
        order=_component((order - both) / (n * repeats)),
        item_order=_component((both - known) / repeats),
        repeat=_component(repeat),
        n_items=n,
        note="the repeats never differ: deterministic, not reliable" if repeat == 0 else "",
    )


def planned_se(
    found: Components, n_items: int, orders: int = 2, repeats: int = 1, deff: float = 1.0
) -> float:
    """Standard error of the mean over `n_items` new items in so many orders and repeats:
    sqrt(item deff / n + item_order / (n O) + repeat / (n O K)). `repeats` may be infinite.

    The effect of an order that all items share is position bias, not error, and is left out.
    `deff`: for items that share prompts. Unknown components count as 0 (they are part of the
    others, see `Components`); NaN where the variance between items is unknown.
    """
    if n_items < 1 or orders < 1 or repeats < 1 or not deff > 0:
        raise BenchError(
            f"{n_items} items, {orders} orders, {repeats} repeats, design effect {deff}; at least "
            "1 of each expected, and a design effect above 0"
        )
    within = [0.0 if math.isnan(c.value) else c.value for c in (found.item_order, found.repeat)]
    per_item = found.item.value * deff + (within[0] + within[1] / repeats) / orders
    return math.sqrt(per_item / n_items)


def _mean_square(total: float, df: int) -> float:
    return float(total) / df if df else math.nan


def _component(raw: float) -> Component:
    return Component(raw, raw if math.isnan(raw) else max(0.0, raw))
