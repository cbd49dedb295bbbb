"""Judges trained on one set and shown another: what they learnt, and where it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from reports.figures.axes import SMALL
from reports.figures.figure import Figure, Tables
from reports.figures.judges import counts, short_names
from reports.figures.pen import INK, MUTED, SERIES, SIZE, WIDTH, Pen, clipped, width_of
from reports.numbers import Row, interval, number, signed

HIGH = 40.0  # points of a cell
NARROW = 44.0  # points below which a cell has no room for an interval
STRONGEST = 0.55  # opacity of the best
COLUMNS = ["judge", "trained_on", "task", "at_home", "n_items", "n_prompts"]
METRICS = [f"{name}{part}" for name in ("mean", "loss") for part in ("", "_lo", "_hi", "_status")]


def transfer_matrix(tables: Tables) -> Figure | None:
    """None where the judges trained on the run's tasks were all trained on one."""
    rows = tables["transfer"]
    if rows["mean"].notna().sum() < 2:
        return None
    data = rows.sort_values("trained_on", kind="stable")[[*COLUMNS, *METRICS]]
    drawing = _Matrix(data.reset_index(drop=True))
    caption = (
        "Agreement with the labels (rule mean, failures wrong, unweighted mean over domains) of "
        "judges that were trained on one task of this run, a row each, on all of its tasks, a "
        f"column each, on {counts(data)}. Framed: trained on other prompts of this very task. "
        "Below each number its 95 % interval, adjusted by prompt. loss: what the one judge of the "
        "same kind and model that is at home there scores above it, on the same items. A row "
        "that is pale outside its frame has learnt its own set, and not to judge."
    )
    height = 34 + HIGH * len(drawing.judges)
    title = "Trained here, tested there"
    return Figure("", "transfer", title, caption, drawing.data, height, drawing.draw)


@dataclass(frozen=True)
class _Matrix:
    data: pd.DataFrame

    @property
    def judges(self) -> list[str]:
        return list(dict.fromkeys(self.data.judge))

    def draw(self, pen: Pen) -> None:
        tasks = list(dict.fromkeys(self.data.task))
        names = short_names(self.judges, 130)
        sets = self.data.drop_duplicates("judge").set_index("judge").trained_on
        origin = {j: clipped(f"trained on {sets[j]}", 130, SMALL) for j in self.judges}
        lines = [(names, SIZE), (origin, SMALL)]
        left = 16 + max(width_of(w, size) for words, size in lines for w in words.values())
        wide = min(120.0, (WIDTH - left) / len(tasks))
        top = pen.height - 20
        for n, task in enumerate(tasks):
            pen.text(left + wide * (n + 0.5), top + 9, clipped(task, wide - 4), INK, "center")
        for place, judge in enumerate(self.judges):
            y = top - HIGH * (place + 0.5)
            pen.text(2, y + 5, names[judge], tip=judge)
            pen.text(2, y - 5, origin[judge], MUTED, size=SMALL)
        for row in self.data[self.data["mean"].notna()].to_dict("records"):
            x = left + wide * tasks.index(row["task"])
            self._cell(pen, x, top - HIGH * self.judges.index(row["judge"]), wide, row)

    def _cell(self, pen: Pen, x: float, top: float, wide: float, row: Row) -> None:
        extremes = self.data["mean"].min(), self.data["mean"].max()
        strength = (row["mean"] - extremes[0]) / ((extremes[1] - extremes[0]) or 1.0)
        x0, x1, y0, y1 = x + 1.5, x + wide - 1.5, top - HIGH + 1.5, top - 1.5
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        tip = f"{row['judge']} on {row['task']}: {interval(row, 'mean')}"
        if not math.isnan(row["loss"]):
            tip += f"; loss {interval(row, 'loss', signed)}"
        pen.area(corners, SERIES[0], 0.06 + STRONGEST * strength, tip)
        if row["at_home"]:
            pen.line((x0, x1, x1, x0, x0), (y0, y0, y1, y1, y0), INK, 1.4)
        middle = (x0 + x1) / 2
        pen.text(middle, top - 10, number(row["mean"]), INK, "center")
        if wide >= NARROW and not math.isnan(row["mean_lo"]):
            ends = f"{number(row['mean_lo'])} to {number(row['mean_hi'])}"
            pen.text(middle, top - 20, ends, INK, "center", 6.5)
        if wide >= NARROW and not math.isnan(row["loss"]):
            pen.text(middle, top - 30, f"loss {number(row['loss'])}", INK, "center", 6.5)
