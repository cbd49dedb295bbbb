"""A judge a row: names to the left, estimates with their intervals on a common scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.figures.axes import SMALL
from reports.figures.judges import Look, name_colour, short_names
from reports.figures.pen import GRID, Pen, width_of
from reports.figures.scale import Scale

ROW = 15.0
"""Points from one row to the next."""


@dataclass(frozen=True)
class Rows:
    """`judges` from the top down, with what each is. `top`: points of the upper edge."""

    judges: Sequence[str]
    natures: Sequence[str]
    top: float
    pitch: float = ROW

    @property
    def bottom(self) -> float:
        return self.top - self.pitch * len(self.judges)

    @property
    def left(self) -> float:
        """Where the names end."""
        return max(width_of(name) for name in short_names(self.judges).values()) + 8

    def y(self, row: int) -> float:
        """Middle of a row."""
        return self.top - self.pitch * (row + 0.5)

    def draw(self, pen: Pen, right: float) -> None:
        """The names, and a line under each row up to `right`."""
        names = short_names(self.judges)
        edges = [self.top - self.pitch * n for n in range(len(self.judges) + 1)]
        pen.segments([(0, y, right, y) for y in edges], GRID, 0.4)
        for row, (judge, nature) in enumerate(zip(self.judges, self.natures, strict=True)):
            pen.text(2, self.y(row), names[judge], name_colour(nature), tip=judge)


def estimate(
    pen: Pen, x: Scale, y: float, ends: tuple[float, float, float], look: Look, tip: str
) -> None:
    """A mark at the first of `ends` (value, lo, hi), and its interval where it has one."""
    value, lo, hi = ends
    if math.isnan(value):
        return
    if not math.isnan(lo):
        pen.line((x(lo), x(hi)), (y, y), look.edge, 1.1)
    look.mark(pen, x(value), y, 5.5, tip)


def heading(pen: Pen, x: Scale, y: float, words: str) -> None:
    """Over the middle of a panel."""
    pen.text((x.start + x.end) / 2, y, words, anchor="center", size=SMALL + 0.5)
