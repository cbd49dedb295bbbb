"""Errors that are left when only confident verdicts are kept, judge by judge."""

from __future__ import annotations

import pandas as pd

from reports.figures.axes import Frame
from reports.figures.figure import Figure, Tables
from reports.figures.judges import look, with_nature
from reports.figures.panels import Panels
from reports.figures.pen import MUTED, Pen
from reports.figures.scale import around
from reports.numbers import interval

COLUMNS = ["judge", "nature", "n_items", "n_prompts", "coverage", "threshold", "random"]
RISK = ["risk", "risk_lo", "risk_hi", "risk_status"]


def risk_coverage(tables: Tables, task: str) -> Figure | None:
    """None where no judge states more than one confidence."""
    rows = tables["risk_coverage"]
    mine = rows[rows.task == task]
    points = mine.groupby("judge").coverage.transform("size")
    data = with_nature(mine[points > 1], tables)[[*COLUMNS, *RISK]]
    if data.empty:
        return None
    of = tables["calibration"]
    areas = of[(of.task == task) & (of.scope == "pooled")].set_index("judge")
    judges = data.drop_duplicates("judge")
    panels = Panels(
        list(judges.judge),
        list(judges.nature),
        [f"AURC {interval(areas.loc[judge], 'aurc')}" for judge in judges.judge],
        (0.0, 1.0),
        (0.0, around([v for c in RISK[:3] for v in data[c]], step=0.1)[1]),
        "coverage: share of the verdicts that are kept",
        "risk: share of the kept verdicts that is wrong",
    )
    whole = data[data.coverage == 1]
    least, most = whole.n_items.min(), whole.n_items.max()
    verdicts = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    caption = (
        "Share of wrong verdicts among those that are kept, the most confident first, on "
        f"{verdicts} verdicts a judge on pairs of {task}. Shaded: 95 % intervals, adjusted by "
        "prompt. Dashed: the risk of a confidence that says nothing. The further the curve lies "
        "below that line, the better the judge knows where it errs, and the more is won by handing "
        "over what it doubts. AURC: the area below the curve, with its interval; small is good. "
        "Verdicts of equal confidence are kept together."
    )

    def inside(pen: Pen, frame: Frame, judge: str) -> None:
        _curve(pen, frame, data[data.judge == judge].sort_values("coverage"))

    def draw(pen: Pen) -> None:
        panels.draw(pen, inside)

    title = "Risk against coverage"
    return Figure(task, "risk-coverage", title, caption, data, panels.height, draw)


def _curve(pen: Pen, frame: Frame, mine: pd.DataFrame) -> None:
    x, y, colour = frame.x, frame.y, look(mine.nature.iloc[0]).edge
    known = mine[mine.risk_lo.notna()].to_dict("records")
    area = [(x(r["coverage"]), y(r["risk_lo"])) for r in known]
    area += [(x(r["coverage"]), y(r["risk_hi"])) for r in reversed(known)]
    if len(known) > 1:
        pen.area(area, colour, 0.2)
    random = y(float(mine.random.iloc[0]))
    pen.line((x.start, x.end), (random, random), MUTED, 0.7, (3, 2))
    pen.line([x(v) for v in mine.coverage], [y(v) for v in mine.risk], colour, 1.3)
