"""What the order shown does to each judge."""

from __future__ import annotations

import math
from itertools import pairwise

import pandas as pd

from reports.figures.axes import Frame
from reports.figures.figure import Figure, Tables
from reports.figures.judges import counts, key, look, name_colour, several, short_names, with_nature
from reports.figures.labels import Labelled, place
from reports.figures.pen import INK, MUTED, Ends, Pen
from reports.figures.scale import Scale, share_text
from reports.numbers import Row, interval

HEIGHT = 330.0
COLUMNS = ["judge", "nature", "n_pairs", "n_prompts"]
SHARES = [f"{name}{end}" for name in ("first_slot", "flip_rate") for end in ("", "_lo", "_hi")]
_LEFT, _RIGHT, _BOTTOM = 30.0, 500.0, 36.0


def position_map(tables: Tables, task: str) -> Figure | None:
    """None unless two judges, null judges aside, were shown pairs in both orders."""
    rows = tables["position"]
    known = rows.flip_rate.notna() & rows.first_slot.notna()
    mine = rows[(rows.task == task) & (rows.scope == "pooled") & known]
    data = with_nature(mine, tables)[[*COLUMNS, *SHARES]]
    if not several(data):
        return None
    caption = (
        "How often a judge's verdict on a pair changes when the two responses change places, "
        "against the share of its verdicts for the response shown first (ties half), on "
        f"{counts(data.rename(columns={'n_pairs': 'n_items'})).replace('items', 'pairs')} of "
        f"{task}. Bars: 95 % intervals, adjusted by prompt. At the foot of the middle line stands "
        "a judge that the order does not move. To the right of the line it favours what comes "
        "first, to the left what comes last; straight up it flips without a direction, as a coin "
        "does. No judge can stand below the two slanting lines. Order-free judges are not shown; a "
        "null judge beyond the field stands on its edge, with its values."
    )

    def draw(pen: Pen) -> None:
        _draw(pen, data)

    return Figure(task, "position", "What the order shown does", caption, data, HEIGHT, draw)


def _draw(pen: Pen, data: pd.DataFrame) -> None:
    x, y = _scales(data, pen.height - 34)
    frame = Frame(x, y)
    frame.draw_x(pen)
    frame.draw_y(pen)
    frame.name(pen, "share of verdicts for what is shown first")
    pen.text(2, y.end + 9, "pairs whose verdict changes with the order", INK)
    middle = (x(0.5), y.start, x(0.5), y.end)
    pen.segments([middle], MUTED, 0.8)
    # Whoever always flips to one slot is |share - 1/2| = flips / 2 away from the middle.
    reach = min(x.hi - 0.5, 0.5 - x.lo, y.hi / 2)
    edges = [(x(0.5), y(0), x(0.5 + side * reach), y(2 * reach)) for side in (-1, 1)]
    pen.segments(edges, MUTED, 0.6, (3, 3))
    key(pen, list(data.nature), lines=[("the least that this share allows", MUTED, (3, 3))])
    names = short_names(data.judge)
    points = [_mark(pen, frame, row, names[row["judge"]]) for row in data.to_dict("records")]
    place(pen, points, (_LEFT, y.start, _RIGHT + 36, y.end + 4), [middle, *_broken(edges)])


def _mark(pen: Pen, frame: Frame, row: Row, name: str) -> Labelled:
    """The mark and the intervals of a judge, which is yet to be named."""
    x, y, drawn = frame.x, frame.y, look(row["nature"])
    first, flips = row["first_slot"], row["flip_rate"]
    at, bars = (x(first), y(flips)), list[Ends]()
    if not (x.lo <= first <= x.hi and flips <= y.hi):
        name += f", at {share_text(first)} and {share_text(flips)}"
    elif not math.isnan(row["first_slot_lo"] + row["flip_rate_lo"]):
        bars.append((x(row["first_slot_lo"]), at[1], x(row["first_slot_hi"]), at[1]))
        bars.append((at[0], y(row["flip_rate_lo"]), at[0], y(row["flip_rate_hi"])))
    pen.segments(bars, drawn.edge, 0.8)
    said = f"flips {interval(row, 'flip_rate')}, first {interval(row, 'first_slot')}"
    drawn.mark(pen, *at, tip=f"{row['judge']}: {said}")
    return Labelled(*at, name, name_colour(row["nature"]), tuple(bars))


def _scales(data: pd.DataFrame, top: float) -> tuple[Scale, Scale]:
    """The middle of the shares in the middle of the field; no wider than judges need. A ruler
    beyond it is drawn on the edge."""
    judges = data[data.nature != "null"]
    shares = [abs(v - 0.5) for c in SHARES[:3] for v in judges[c] if not math.isnan(v)]
    flips = [v for c in SHARES[3:] for v in judges[c] if not math.isnan(v)]
    half, most = (max(0.1, math.ceil(max(v, default=0.0) * 21) / 20) for v in (shares, flips))
    return (
        Scale(0.5 - min(half, 0.5), 0.5 + min(half, 0.5), _LEFT, _RIGHT),
        Scale(0, min(most, 1.0), _BOTTOM, top),
    )


def _broken(edges: list[Ends]) -> list[Ends]:
    """Slanting lines as short pieces, whose boxes are small."""
    found = []
    for a, b, c, d in edges:
        steps = [k / 40 for k in range(41)]
        at = [(a + (c - a) * s, b + (d - b) * s) for s in steps]
        found += [(*p, *q) for p, q in pairwise(at)]
    return found
