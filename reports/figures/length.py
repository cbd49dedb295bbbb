"""Whether judges like the longer response better than humans do."""

from __future__ import annotations

import pandas as pd

from reports.figures.axes import Frame
from reports.figures.figure import Figure, Tables
from reports.figures.judges import Look, counts, key, look, several, with_nature
from reports.figures.pen import INK, MUTED, PAPER, WIDTH, Pen
from reports.figures.rows import ROW, Rows, estimate
from reports.figures.scale import Scale, around
from reports.numbers import interval, signed

COLUMNS = ["judge", "nature", "n_items", "n_prompts"]
SHARES = [
    f"{name}{end}"
    for name in ("longer", "longer_human", "longer_excess")
    for end in ("", "_lo", "_hi")
]
HUMAN = Look("|", PAPER, INK)
_NUMBERS = 116.0  # points for the differences to the right


def length_bias(tables: Tables, task: str) -> Figure | None:
    """None unless two judges, null judges aside, gave verdicts on labelled pairs."""
    rows = tables["bias"]
    mine = rows[(rows.task == task) & (rows.scope == "pooled") & rows.longer_excess.notna()]
    ordered = mine.sort_values("longer_excess", ascending=False, kind="stable")
    data = with_nature(ordered, tables)[[*COLUMNS, *SHARES, "longer_excess_status"]]
    if not several(data):
        return None
    caption = (
        "Share of verdicts for the longer response, of each judge and of the humans who labelled "
        f"the same pairs (upright stroke), on {counts(data)} of {task}. Bars, and brackets to the "
        "right: 95 % intervals, adjusted by prompt, of the judge's share, and of the judge less "
        "the humans. To the right of the stroke a judge likes length better than humans do; a "
        "stroke that is not at .5 says that the longer response often is the better one, or the "
        "worse, and that is no bias."
    )

    def draw(pen: Pen) -> None:
        _draw(pen, data)

    height = 52 + ROW * len(data)
    return Figure(task, "length", "Length bias against humans", caption, data, height, draw)


def _draw(pen: Pen, data: pd.DataFrame) -> None:
    rows = Rows(list(data.judge), list(data.nature), pen.height - 28)
    rows.draw(pen, WIDTH)
    ends = around([v for c in SHARES[:6] for v in data[c]])
    x = Scale(*ends, rows.left + 8, WIDTH - _NUMBERS)
    frame = Frame(x, Scale(0, 1, rows.bottom, rows.top))
    frame.draw_x(pen)
    pen.text(x.start, rows.top + 7, "share for the longer response", INK)
    pen.text(WIDTH - 4, rows.top + 7, "judge less humans", INK, "right")
    key(pen, list(data.nature), [("humans, on the same pairs", HUMAN)])
    for place, row in enumerate(data.to_dict("records")):
        y = rows.y(place)
        pen.line((x(row["longer_human"]), x(row["longer"])), (y, y), MUTED, 0.6, (1, 1.5))
        HUMAN.mark(pen, x(row["longer_human"]), y, 10, f"humans: {interval(row, 'longer_human')}")
        tip = f"{row['judge']}: {interval(row, 'longer')}"
        of = row["longer"], row["longer_lo"], row["longer_hi"]
        estimate(pen, x, y, of, look(row["nature"]), tip)
        pen.text(WIDTH - 4, y, interval(row, "longer_excess", signed), MUTED, "right", 7)
