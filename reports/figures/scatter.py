"""Agreement of every judge against something that it takes: a logarithmic axis, with a strip at
either side for judges that need none of it and for those of which it is not known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from reports.figures.axes import SMALL, Frame, across_field
from reports.figures.judges import key, look, name_colour, short_names
from reports.figures.labels import Labelled, place
from reports.figures.pen import INK, MUTED, WIDTH, Ends, Pen
from reports.figures.scale import Scale, around
from reports.numbers import Row, interval

HEIGHT = 330.0
_STRIP = 58.0
_LEFT, _RIGHT = 30.0, WIDTH - 108


@dataclass(frozen=True)
class Against:
    """`rows`: judge, nature, mean and x with their _lo and _hi; x is 0 for none, NaN if unknown.
    `unit`: of x; `write`: a value of it. `none`, `unknown`: what stands below the strips. `lines`:
    what humans and chance reach. `frontier`: judges on it, from the least x to the most."""

    rows: pd.DataFrame
    unit: str
    none: str
    unknown: str
    write: Callable[[float], str]
    lines: dict[str, float]
    frontier: tuple[str, ...] = ()

    def draw(self, pen: Pen) -> None:
        rows = self.rows
        left = _LEFT + (_STRIP if (rows.x == 0).any() else 0)
        right = _RIGHT - (_STRIP if rows.x.isna().any() else 0)
        known = rows[rows.x > 0]
        least, most = float(known.x.min()), float(known.x.max())
        room = max(1.5, (most / least) ** 0.06)
        x = Scale(least / room, most * room, left + 6, right - 6, log=True)
        values = [v for c in ("mean", "mean_lo", "mean_hi") for v in rows[c]]
        y = Scale(*around([*values, *self.lines.values()]), 36, pen.height - 34)
        frame, field = Frame(x, y), Frame(Scale(0, 1, _LEFT, _RIGHT), y)
        field.draw_y(pen)
        frame.draw_x(pen, self.write, inset=14)  # what stands below the strips is wider than they
        frame.name(pen, f"{self.unit} (log scale)")
        pen.text(2, y.end + 9, "agreement with the labels", INK)
        for at, words in ((left - _STRIP / 2, self.none), (right + _STRIP / 2, self.unknown)):
            if _LEFT < at < _RIGHT:
                pen.text(at, y.start - 8, words, MUTED, "center", SMALL)
        edges = [edge for edge in (left, right) if _LEFT < edge < _RIGHT]
        pen.segments([(edge, y.start - 12, edge, y.end) for edge in edges], MUTED)
        across_field(pen, field, self.lines)
        frontier = [("Pareto frontier", INK, ())] if self.frontier else []
        key(pen, list(rows.nature), lines=frontier)
        lines = [(edge, y.start, edge, y.end) for edge in edges]
        lines += [(_LEFT, y(v), _RIGHT, y(v)) for v in self.lines.values()]
        self._marks(pen, frame, self._places(x, left, right), right, lines)

    def _marks(
        self, pen: Pen, frame: Frame, at: dict[str, float], right: float, lines: list[Ends]
    ) -> None:
        names = short_names(self.rows.judge)
        rows = {row["judge"]: row for row in self.rows.to_dict("records")}
        steps = [(at[j], frame.y(rows[j]["mean"])) for j in self.frontier]
        if steps:
            xs = [*(x for x, _ in steps for _ in (0, 1)), right][1:]
            ys = [y for _, y in steps for _ in (0, 1)]
            pen.line(xs, ys, INK, 0.9)
            lines += zip(xs[:-1], ys[:-1], xs[1:], ys[1:], strict=True)
        points = []
        for judge, row in rows.items():
            drawn, x, y = look(row["nature"]), at[judge], frame.y(row["mean"])
            bars: list[Ends] = []
            if not math.isnan(row["mean_lo"]):
                bars.append((x, frame.y(row["mean_lo"]), x, frame.y(row["mean_hi"])))
            if row["x"] > 0 and not math.isnan(row["x_lo"]):
                lo = max(row["x_lo"], frame.x.lo)  # 0 has no place on it
                bars.append((frame.x(lo), y, frame.x(row["x_hi"]), y))
            pen.segments(bars, drawn.edge, 0.9)
            tip = f"{judge}: {interval(row, 'mean')}; {self._of(row)}"
            drawn.mark(pen, x, y, tip=tip)
            colour = name_colour(row["nature"])
            points.append(Labelled(x, y, names[judge], colour, tuple(bars)))
        place(pen, points, (_LEFT, frame.y.start, _RIGHT, frame.y.end + 4), lines)

    def _of(self, row: Row) -> str:
        if math.isnan(row["x"]):
            return self.unknown
        return self.none if row["x"] == 0 else f"{self.write(row['x'])} {self.unit}"

    def _places(self, x: Scale, left: float, right: float) -> dict[str, float]:
        """Where across each judge stands; in a strip side by side, so that intervals can be told
        apart."""
        at = {row["judge"]: x(row["x"]) for row in self.rows.to_dict("records") if row["x"] > 0}
        for middle, mine in (
            (left - _STRIP / 2, self.rows[self.rows.x == 0]),
            (right + _STRIP / 2, self.rows[self.rows.x.isna()]),
        ):
            for n, judge in enumerate(mine.sort_values("mean", kind="stable").judge):
                at[judge] = middle + 9 * ((n + 1) % 3 - 1 if len(mine) > 1 else 0)
        return at
