"""From how many judgments on a trained judge has paid for itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from reports.figures.axes import Frame
from reports.figures.cost import dollars
from reports.figures.figure import Figure, Tables
from reports.figures.judges import look, overall, short_names
from reports.figures.pen import INK, MUTED, WIDTH, Pen, width_of
from reports.figures.rows import ROW, estimate
from reports.figures.scale import Scale
from reports.numbers import Row, interval, signed

MOST = 24  # rows
VOLUME = ["volume", "volume_lo", "volume_hi", "volume_status"]
LOSS = ["difference", "difference_lo", "difference_hi", "difference_status"]
_NUMBERS = 124.0  # points for the differences to the right


def break_even(tables: Tables, task: str) -> Figure | None:
    """None unless a trained judge costs less than a prompted one, both judged the task, and both
    costs are known."""
    here = overall(tables, task)
    rows = tables["break_even"]
    mine = rows[rows.small.isin(set(here.judge)) & rows.large.isin(set(here.judge))]
    if not (mine.volume < math.inf).any():
        return None
    fixed = float(mine.fixed_usd.iloc[0])
    among = ""
    if len(mine) > MOST:
        best = next(judge for judge in here.judge if judge in set(mine.large))
        mine = mine[mine.large == best]
        among = f" Of the prompted judges the one that agrees best: {best}."
    data = _with_difference(mine, tables, task).sort_values("volume", kind="stable")
    caption = (
        f"Judgments after which a trained judge has saved {fixed:,.0f} USD of labels, training and "
        "engineering against paying for a prompted one; for another sum the volume is in "
        "proportion. Strokes: 95 % intervals of both costs, over all tasks of the run. To the "
        f"right: what is lost or gained in agreement with the labels of {task}, on the same items, "
        "with its 95 % interval: a judge that saves money and loses agreement has not paid for "
        f"itself. never: it costs no less.{among}"
    )
    drawing = _Volumes(data.reset_index(drop=True))
    title = "Break-even volume"
    height = 48 + ROW * len(data)
    return Figure(task, "break-even", title, caption, drawing.data, height, drawing.draw)


def _with_difference(rows: pd.DataFrame, tables: Tables, task: str) -> pd.DataFrame:
    """With the paired difference of the score on the task, small less large."""
    pairs = tables["pairs"]
    here = pairs[(pairs.task == task) & (pairs.scope == "overall")]
    columns = ["small", "large", "n_items", "n_prompts", *LOSS]
    found = here.rename(columns={"judge": "small", "against": "large"})[columns]
    turned = found.rename(columns={"small": "large", "large": "small"}).assign(
        difference=-found.difference,
        difference_lo=-found.difference_hi,
        difference_hi=-found.difference_lo,
    )
    both = pd.concat([found, turned[found.columns]])
    return rows.merge(both, "left", ["small", "large"])


@dataclass(frozen=True)
class _Volumes:
    data: pd.DataFrame

    def draw(self, pen: Pen) -> None:
        data = self.data
        names = short_names([*data.small, *data.large], 110)
        columns = [max(width_of(names[j]) for j in data[side]) + 14 for side in ("small", "large")]
        top, bottom, left = pen.height - 16, 32.0, sum(columns)
        known = [v for c in VOLUME[:3] for v in data[c] if 0 < v < math.inf]
        x = Scale(min(known) / 3, max(known) * 3, left + 4, WIDTH - _NUMBERS - 8, log=True)
        frame = Frame(x, Scale(0, 1, bottom, top))
        frame.draw_x(pen, _count, most=5)
        frame.name(pen, "judgments until it is paid for (log scale)")
        for at, words in ((2, "trained"), (columns[0], "instead of")):
            pen.text(at, top + 8, words, MUTED)
        pen.text(WIDTH - 4, top + 8, "agreement, small less large", MUTED, "right")
        edges = [top - ROW * n for n in range(len(data) + 1)]
        pen.segments([(0, y, WIDTH, y) for y in edges], width=0.4)
        for place, row in enumerate(data.to_dict("records")):
            y = top - ROW * (place + 0.5)
            for at, judge in ((2, row["small"]), (columns[0], row["large"])):
                pen.text(at, y, names[judge], INK, tip=judge)
            self._volume(pen, x, y, row)
            pen.text(WIDTH - 4, y, interval(row, "difference", signed), MUTED, "right", 7)

    def _volume(self, pen: Pen, x: Scale, y: float, row: Row) -> None:
        if not row["volume"] < math.inf:
            pen.text(x.end, y, "never", MUTED, "right")
            return
        costs = [dollars(row[f"usd_per_1000_{side}"]) for side in ("small", "large")]
        tip = f"{_count(row['volume'])} judgments; {costs[0]} against {costs[1]} USD per 1,000"
        ends = row["volume"], row["volume_lo"], row["volume_hi"]
        estimate(pen, x, y, ends, look("trained"), tip)


def _count(value: float) -> str:
    """20k, 3M, 500"""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"
