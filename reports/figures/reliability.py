"""How often verdicts of like confidence are right, judge by judge."""

from __future__ import annotations

import pandas as pd

from reports.figures.axes import Frame
from reports.figures.figure import Figure, Tables
from reports.figures.judges import look, with_nature
from reports.figures.panels import Panels
from reports.figures.pen import MUTED, Pen
from reports.figures.scale import around
from reports.numbers import interval

COLUMNS = ["judge", "nature", "bin", "n_items", "n_prompts", "confidence", "band_lo", "band_hi"]
CORRECT = ["correct", "correct_lo", "correct_hi", "correct_status"]


def reliability_diagram(tables: Tables, task: str) -> Figure | None:
    """None where no judge states confidences."""
    rows = tables["reliability"]
    data = with_nature(rows[rows.task == task], tables)[[*COLUMNS, *CORRECT]]
    if data.empty:
        return None
    of = tables["calibration"]
    errors = of[(of.task == task) & (of.scope == "pooled")].set_index("judge")
    judges = data.drop_duplicates("judge")
    panels = Panels(
        list(judges.judge),
        list(judges.nature),
        [f"ECE {interval(errors.loc[judge], 'ece')}" for judge in judges.judge],
        (0.5, 1.0),
        around([v for c in CORRECT[:3] for v in data[c]], step=0.1),
        "confidence",
        "share that agrees with the labels",
    )
    least, most = data.groupby("judge").n_items.sum().agg(["min", "max"])
    verdicts = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    caption = (
        "Share of verdicts that agree with the labels, by how sure the judge says that it is, in "
        f"bins of as many verdicts each, on {verdicts} verdicts a judge on pairs of {task}. "
        "Strokes: 95 % intervals, adjusted by prompt. Grey: where the points of a calibrated judge "
        "would lie. Below the diagonal a judge is right less often than it says. ECE: the mean gap "
        "between the two, with its interval; by chance alone it is above 0."
    )

    def inside(pen: Pen, frame: Frame, judge: str) -> None:
        _bins(pen, frame, data[data.judge == judge])

    def draw(pen: Pen) -> None:
        panels.draw(pen, inside)

    title = "Confidence against agreement"
    return Figure(task, "reliability", title, caption, data, panels.height, draw)


def _bins(pen: Pen, frame: Frame, mine: pd.DataFrame) -> None:
    """Diagonal, band, and a point with its interval for every bin of one judge."""
    x, y, rows = frame.x, frame.y, mine.to_dict("records")
    low, high = max(x.lo, y.lo), min(x.hi, y.hi)
    pen.line((x(low), x(high)), (y(low), y(high)), MUTED, 0.7, (3, 2))
    band = [(x(r["confidence"]), y(r["band_lo"])) for r in rows]
    band += [(x(r["confidence"]), y(r["band_hi"])) for r in reversed(rows)]
    if len(rows) > 1:
        pen.area(band, MUTED, 0.18)
    known = mine[mine.correct_lo.notna()].to_dict("records")
    bars = [(p := x(r["confidence"]), y(r["correct_lo"]), p, y(r["correct_hi"])) for r in known]
    drawn = look(mine.nature.iloc[0])
    pen.segments(bars, drawn.edge, 0.7)
    at = [(x(r["confidence"]), y(r["correct"])) for r in rows]
    pen.mark(at, drawn.shape, drawn.face, drawn.edge, 3.2)
