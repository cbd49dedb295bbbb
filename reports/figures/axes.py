"""Axes, their grid and their words; lines that say where humans and chance stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reports.figures.figure import Tables
from reports.figures.labels import apart
from reports.figures.pen import INK, MUTED, Pen
from reports.figures.scale import Scale, share_text
from reports.numbers import Row, number

Write = Callable[[float], str]
SMALL = 7.0

LINES: dict[str, tuple[float, ...]] = {
    "human ceiling": (4, 2),
    "two humans": (4, 2, 1, 2),
    "chance": (1, 1.5),
}
"""Dashes of what a judge's score is held against."""


@dataclass(frozen=True)
class Frame:
    """The field between two axes."""

    x: Scale
    y: Scale

    def draw_x(
        self,
        pen: Pen,
        write: Write = share_text,
        most: int = 6,
        words: bool = True,
        inset: float = 0.0,
    ) -> None:
        """Upright lines at round values, and the values below. `inset`: points at either end that
        are left to other words."""
        first, last = self.x.start + inset, self.x.end - inset
        ticks = [v for v in self.x.ticks(most) if first <= self.x(v) <= last]
        pen.segments([(self.x(v), self.y.start, self.x(v), self.y.end) for v in ticks])
        for v in ticks if words else ():
            pen.text(self.x(v), self.y.start - 8, write(v), MUTED, "center", SMALL)

    def draw_y(
        self, pen: Pen, write: Write = share_text, most: int = 6, words: bool = True
    ) -> None:
        """Level lines, and the values to the left."""
        ticks = self.y.ticks(most)
        pen.segments([(self.x.start, self.y(v), self.x.end, self.y(v)) for v in ticks])
        for v in ticks if words else ():
            pen.text(self.x.start - 5, self.y(v), write(v), MUTED, "right", SMALL)

    def name(self, pen: Pen, across: str) -> None:
        """What the x axis is, below its middle. No text stands on edge: what the y axis is stands
        above its upper end."""
        pen.text((self.x.start + self.x.end) / 2, self.y.start - 20, across, INK, "center")


def human_lines(row: Row) -> dict[str, float]:
    """Where humans and chance stand, those that are known. `row`: of the table `data`."""
    found = {
        "human ceiling": row["ceiling"],
        "two humans": row["human_agreement"],
        "chance": row["chance"],
    }
    return {name: value for name, value in found.items() if not math.isnan(value)}


def lines_by_group(tables: Tables, task: str, scope: str) -> dict[str, dict[str, float]]:
    """The same for every group of a task."""
    rows = tables["data"]
    mine = rows[(rows.task == task) & (rows.scope == scope)]
    return {row["group"]: human_lines(row) for row in mine.to_dict("records")}


def across_field(pen: Pen, frame: Frame, lines: Mapping[str, float]) -> None:
    """Horizontal lines with their names and values to the right of the field."""
    heights = [frame.y(value) for value in lines.values()]
    placed = apart(heights, 10, frame.y.start, frame.y.end)
    for (name, value), y, at in zip(lines.items(), heights, placed, strict=True):
        end = frame.x.end
        pen.line((frame.x.start, end), (y, y), MUTED, 1.0, LINES[name])
        pen.line((end, end + 6), (y, at), MUTED, 0.5)
        pen.text(end + 8, at, f"{name} {number(value)}", MUTED, size=SMALL)


def up_field(pen: Pen, frame: Frame, lines: Mapping[str, float]) -> None:
    """The same lines upright, without words: the key has them."""
    for name, value in lines.items():
        x = frame.x(value)
        pen.line((x, x), (frame.y.start, frame.y.end), MUTED, 1.0, LINES[name])
