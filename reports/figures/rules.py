"""The same verdicts under every order rule."""

from __future__ import annotations

import math

import pandas as pd

from bench.outcome import RULES
from reports.figures.axes import Frame
from reports.figures.figure import Figure, Tables
from reports.figures.judges import Look, counts, key, overall, several
from reports.figures.pen import MUTED, PAPER, SERIES, WIDTH, Pen
from reports.figures.rows import Rows
from reports.figures.scale import Scale, around
from reports.numbers import interval, number

LOOKS = {
    rule: Look(shape, colour, PAPER)
    for rule, shape, colour in zip(RULES, "ovsD^P", SERIES[:6], strict=True)
}
COLUMNS = ["judge", "nature", "rule", "n_items", "n_prompts", "coverage"]
SCORE = ["score", "score_lo", "score_hi", "score_status"]
PITCH = 20.0
_STEP = 2.6  # points from one rule to the next
_NUMBERS = 62.0


def order_rules(tables: Tables, task: str) -> Figure | None:
    """None where no two judges were shown more than one order."""
    rows, judges = tables["rules"], overall(tables, task)[["judge", "nature"]]
    mine = rows[(rows.task == task) & (rows.scope == "overall") & (rows.policy == "wrong")]
    turned = mine.groupby("judge", sort=False)["score"].count() > 1
    data = judges.merge(mine[mine.judge.isin(turned.index[turned])], "inner", "judge")
    if data.empty or not several(data.drop_duplicates("judge")):
        return None
    caption = (
        f"Scores on {task} of the same verdicts under six rules that turn the verdicts of an "
        f"item's orders into one, on {counts(data)}; failures count as wrong. mean: average credit "
        "over the orders; strict: right in every order; tie: verdicts that differ count as a tie; "
        "net_vote: more right than wrong; first: one order alone; decisive: only items with the "
        "same single answer in every order, which are fewer. Strokes: 95 % intervals, adjusted by "
        "prompt. The number to the right is how far the convention alone moves the judge: two "
        "published scores can be compared only if they stand under one rule."
    )

    def draw(pen: Pen) -> None:
        _draw(pen, data)

    shown = data[[*COLUMNS, *SCORE]]
    height = 52 + PITCH * data.judge.nunique()
    return Figure(task, "rules", "One ledger under all order rules", caption, shown, height, draw)


def _draw(pen: Pen, data: pd.DataFrame) -> None:
    judges = data.drop_duplicates("judge")
    rows = Rows(list(judges.judge), list(judges.nature), pen.height - 28, PITCH)
    rows.draw(pen, WIDTH)
    x = Scale(*around([v for c in SCORE[:3] for v in data[c]]), rows.left + 8, WIDTH - _NUMBERS)
    frame = Frame(x, Scale(0, 1, rows.bottom, rows.top))
    frame.draw_x(pen)
    key(pen, [], list(LOOKS.items()))
    pen.text(WIDTH - 4, rows.top + 7, "range", MUTED, "right")
    place = {judge: n for n, judge in enumerate(judges.judge)}
    known = data[data.score.notna()]
    for judge, scores in known.groupby("judge", sort=False).score:
        y, lo, hi = rows.y(place[judge]), scores.min(), scores.max()
        pen.line((x(lo), x(hi)), (y, y), MUTED, 0.5)
        pen.text(WIDTH - 4, y, number(hi - lo), MUTED, "right", 7)
    for n, (rule, drawn) in enumerate(LOOKS.items()):
        mine = known[known.rule == rule].to_dict("records")
        # The rules of a judge lie one above the other, that each can be seen.
        ys = [rows.y(place[row["judge"]]) + _STEP * (2.5 - n) for row in mine]
        bars = [(x(r["score_lo"]), y, x(r["score_hi"]), y) for r, y in zip(mine, ys, strict=True)]
        pen.segments([ends for ends in bars if not math.isnan(sum(ends))], drawn.face)
        for row, y in zip(mine, ys, strict=True):
            tip = f"{row['judge']}, {rule}: {interval(row, 'score')}, n = {row['n_items']:,}"
            drawn.mark(pen, x(row["score"]), y, 5.5, tip)
