"""Names beside points, so that none covers another name, a point or much of an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.figures.pen import MUTED, Ends, Pen, width_of

Floats = NDArray[np.float64]

TEXT = 7.5
_HIGH = 1.15 * TEXT
_REACH = (6, 9, 13, 18, 24, 32, 42, 54, 70, 90)
_ANGLES = [k * math.pi / 8 for k in (0, 8, 1, 15, 7, 9, 2, 14, 6, 10, 3, 13, 5, 11, 4, 12)]
_ROUNDS = 8
_LED = 11
"""Points from which a thin line leads from the mark to its name."""


@dataclass(frozen=True)
class Labelled:
    """A point in points, its name, and the ends of its intervals."""

    x: float
    y: float
    name: str
    colour: str
    intervals: tuple[Ends, ...] = ()


def place(pen: Pen, points: Sequence[Labelled], bounds: Ends, lines: Sequence[Ends] = ()) -> None:
    """Write the names where they disturb least, nearest first. `bounds`: left, lower, right, upper
    of the space that they may take. `lines`: others that they should not lie on."""
    if not points:
        return
    marks = np.array([[p.x - 4, p.y - 4, p.x + 4, p.y + 4] for p in points])
    drawn = [*lines, *(e for p in points for e in p.intervals)]
    bars = np.array([_thick(ends) for ends in drawn]).reshape(-1, 4)
    candidates = [_candidates(p) for p in points]
    costs = [_cost(boxes, marks, bars, bounds) for boxes in candidates]
    chosen = [boxes[int(np.argmin(cost))] for boxes, cost in zip(candidates, costs, strict=True)]
    for _ in range(_ROUNDS):  # each again, now that the others are somewhere
        for n, boxes in enumerate(candidates):
            others = np.array([box for m, box in enumerate(chosen) if m != n]).reshape(-1, 4)
            cost = costs[n] + 30 * _overlap(boxes, others)
            chosen[n] = boxes[int(np.argmin(cost))]
    for point, box in zip(points, chosen, strict=True):
        _write(pen, point, box)


def _candidates(point: Labelled) -> Floats:
    """(c, 4) boxes that the name may take, nearest first."""
    wide = width_of(point.name, TEXT)
    boxes = []
    for reach in _REACH:
        for angle in _ANGLES:
            c, s = math.cos(angle), math.sin(angle)
            x, y = point.x + reach * c, point.y + reach * s
            left = x if c > 0.3 else x - wide if c < -0.3 else x - wide / 2
            low = y if s > 0.5 else y - _HIGH if s < -0.5 else y - _HIGH / 2
            boxes.append((left, low, left + wide, low + _HIGH))
    return np.array(boxes)


def _thick(ends: Ends) -> Ends:
    """A line as a box that has an area."""
    x0, y0, x1, y1 = ends
    return min(x0, x1) - 0.7, min(y0, y1) - 0.7, max(x0, x1) + 0.7, max(y0, y1) + 0.7


def _cost(boxes: Floats, marks: Floats, bars: Floats, bounds: Ends) -> Floats:
    """(c,) what is wrong with each: covered marks and intervals, being outside, being far."""
    left, low, right, high = bounds
    outside = (
        np.maximum(left - boxes[:, 0], 0)
        + np.maximum(boxes[:, 2] - right, 0)
        + np.maximum(low - boxes[:, 1], 0)
        + np.maximum(boxes[:, 3] - high, 0)
    )
    far = np.repeat(np.array(_REACH, float), len(_ANGLES))
    cost: Floats = (
        6 * _overlap(boxes, marks) + 2 * _overlap(boxes, bars) + 200 * outside + 1.5 * far
    )
    return cost


def _overlap(boxes: Floats, others: Floats) -> Floats:
    """(c,) area that each box shares with the others."""
    a, b = boxes[:, None, :], others[None, :, :]
    wide = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    high = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    area: Floats = (np.maximum(wide, 0) * np.maximum(high, 0)).sum(axis=1)
    return area


def _write(pen: Pen, point: Labelled, box: Floats) -> None:
    left, low, right, high = box.tolist()
    x, y = min(max(point.x, left), right), min(max(point.y, low), high)
    far = math.hypot(x - point.x, y - point.y)
    if far > _LED:
        start = 4.5 / far
        from_x, from_y = (p + (q - p) * start for p, q in ((point.x, x), (point.y, y)))
        pen.line((from_x, x), (from_y, y), MUTED, 0.4)
    pen.text(left, (low + high) / 2, point.name, point.colour, size=TEXT)


def apart(wanted: Sequence[float], gap: float, lo: float, hi: float) -> list[float]:
    """Heights of labels in one column, near those wanted and no closer than `gap`, within `lo` and
    `hi` where they fit."""
    order = np.argsort(wanted, kind="stable")
    gap = min(gap, (hi - lo) / max(1, len(wanted) - 1))
    spread = np.arange(len(wanted)) * gap
    # Least squares under a minimum distance is isotonic regression of what is left without it.
    from scipy.optimize import isotonic_regression

    if not len(wanted):
        return []
    level = isotonic_regression(np.array(wanted)[order] - spread).x
    placed = np.clip(level, lo, hi - spread[-1]) + spread
    result = np.empty(len(wanted))
    result[order] = placed
    return [float(v) for v in result]
