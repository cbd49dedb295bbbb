"""How well each judge does on each domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from reports.figures.axes import LINES, Frame, lines_by_group, up_field
from reports.figures.figure import Figure, Tables
from reports.figures.judges import counts, key, look, overall, several
from reports.figures.pen import MUTED, WIDTH, Pen, clipped
from reports.figures.rows import ROW, Rows, estimate, heading
from reports.figures.scale import Scale, around
from reports.numbers import interval

ACROSS = 4  # panels beside each other, at the most
COLUMNS = ["group", "judge", "nature", "n_items", "n_prompts"]
MEAN = ["mean", "mean_lo", "mean_hi", "mean_status"]
_HEAD, _FOOT = 22.0, 22.0


def by_domain(tables: Tables, task: str) -> Figure | None:
    """By domain, or by subset where there is one domain; None where there is one of either."""
    whole = overall(tables, task)
    for scope in ("domain", "subset"):
        rows = tables["domains"]
        mine = rows[(rows.task == task) & (rows.scope == scope) & rows["mean"].notna()]
        if mine.group.nunique() > 1 and several(whole):
            break
    else:
        return None
    judges = whole[whole.judge.isin(set(mine.judge))]
    lines = lines_by_group(tables, task, scope)
    drawing = _Panels(mine, list(judges.judge), list(judges.nature), lines)
    caption = (
        f"Agreement with the labels of {task} by {scope} (rule mean, failures wrong), on "
        f"{counts(mine)} each. Bars: 95 % intervals, adjusted by prompt; judges are ordered by "
        "their mean over domains. A judge whose place changes from panel to panel is not simply "
        "better or worse than another: choose it for the panel that is your use."
    )
    title = f"Agreement by {scope}"
    data = mine[[*COLUMNS, *MEAN]].reset_index(drop=True)
    return Figure(task, "domains", title, caption, data, drawing.height, drawing.draw)


@dataclass(frozen=True)
class _Panels:
    """A panel a group: `rows` of the table `domains`, and lines by group."""

    rows: pd.DataFrame
    judges: list[str]
    natures: list[str]
    lines: Mapping[str, Mapping[str, float]]

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(self.rows.group))

    @property
    def across(self) -> int:
        """Panels in a band: as many in each as can be."""
        bands = -(-len(self.groups) // ACROSS)
        return -(-len(self.groups) // bands)

    @property
    def height(self) -> float:
        bands = -(-len(self.groups) // self.across)
        return 18 + bands * (_HEAD + ROW * len(self.judges) + _FOOT)

    def draw(self, pen: Pen) -> None:
        known = {name for lines in self.lines.values() for name in lines}
        key(pen, self.natures, lines=[(n, MUTED, d) for n, d in LINES.items() if n in known])
        shares = [v for c in MEAN[:3] for v in self.rows[c]]
        ends = around([*shares, *(v for of in self.lines.values() for v in of.values())])
        top = pen.height - 18
        for start in range(0, len(self.groups), self.across):
            rows = Rows(self.judges, self.natures, top - _HEAD)
            wide = (WIDTH - 6 - rows.left) / self.across
            part = self.groups[start : start + self.across]
            rows.draw(pen, rows.left + wide * len(part))
            for n, group in enumerate(part):
                left = rows.left + n * wide
                self._panel(pen, rows, Scale(*ends, left + 6, left + wide - 8), group)
            top = rows.bottom - _FOOT

    def _panel(self, pen: Pen, rows: Rows, x: Scale, group: str) -> None:
        frame = Frame(x, Scale(0, 1, rows.bottom, rows.top))
        frame.draw_x(pen, most=4)
        up_field(pen, frame, self.lines[group])
        of = self.rows[self.rows.group == group]
        n = int(of.n_items.max())
        words = clipped(group, x.end - x.start - 24)
        heading(pen, x, rows.top + 8, f"{words} ({n:,})")
        cells = {row["judge"]: row for row in of.to_dict("records")}
        for place, judge in enumerate(self.judges):
            if judge in cells:
                row = cells[judge]
                tip = f"{judge}, {group}: {interval(row, 'mean')}, n = {row['n_items']:,}"
                ends = row["mean"], row["mean_lo"], row["mean_hi"]
                estimate(pen, x, rows.y(place), ends, look(row["nature"]), tip)
