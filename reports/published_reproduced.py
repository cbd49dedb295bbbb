"""Published figures beside the same numbers of a run, made from its ledger alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bench.ledger import Ledger
from bench.stats.intervals import wilson
from reports.data import annotators_table, data_table
from reports.official import official_table
from reports.people import people_table
from reports.position import position_table
from reports.published import FROM_MEMORY, SCALES, Figure, Paper
from reports.published_measures import keep_measures
from reports.scores import score_rows
from reports.study import Study

TABLES: dict[str, Callable[[Study], object]] = {
    "scores": score_rows,
    "official": official_table,
    "position": position_table,
    "people": people_table,
    "data": data_table,
    "annotators": annotators_table,
    "measures": keep_measures,
}
"""What a figure's `ours` may name, before the dot; after it, a metric of the table `estimates`."""

LESS_FROM_ONE = "1 - "
"""Before a figure's `ours` where the paper has the complement of our number."""


@dataclass(frozen=True)
class Number:
    """A number with its interval, NaN where there is none."""

    value: float
    lo: float
    hi: float


@dataclass(frozen=True)
class Reproduced:
    """`here`: our estimate in the figure's unit, None where the run does not have it.
    `difference`: ours less the published one, None also where that is from memory. Its interval is
    that of our estimate moved by the published number, which then counts as exact; `unpaired`: it
    allows for the error of both (MOVER of our interval and Wilson's of the published share),
    because the paper says of how many items it is. `n_items`, `n_missing`: of our estimate."""

    figure: Figure
    here: Number | None = None
    n_items: int = 0
    n_missing: int = 0
    difference: Number | None = None
    unpaired: bool = False


def reproduce(paper: Paper, ledger: Ledger | None) -> list[Reproduced]:
    """Every figure of the paper, with our number where the ledger has its judge and task."""
    found = _numbers(paper, ledger) if ledger else {}
    made = []
    for figure in paper.figures:
        here = found.get(_key(paper, figure))
        made.append(_beside(figure, here) if here else Reproduced(figure))
    return made


Key = tuple[object, object, object, object]
Row = dict[str, Any]
"""Of the table `estimates`."""


def _numbers(paper: Paper, ledger: Ledger) -> dict[Key, Row]:
    """(task, group, judge, metric) -> estimate, from the tables that the paper's figures name."""
    study = Study.of(ledger)
    present = set(study.table.task)
    for name in dict.fromkeys(_table(f.ours)[0] for f in paper.figures if f.task in present):
        if name:
            TABLES[name](study)
    numbers: dict[Key, Row] = {}
    rows: list[Row] = study.estimates.rows
    for row in rows:
        if not math.isnan(row["estimate"]):
            key = (row["task"], row["group"], row["judge"], row["metric"])
            numbers.setdefault(key, row)
    return numbers


def _table(ours: str | None) -> tuple[str, str]:
    """TABLE.METRIC -> both."""
    table, _, metric = (ours or "").removeprefix(LESS_FROM_ONE).partition(".")
    return table, metric


def _key(paper: Paper, figure: Figure) -> Key:
    ours = paper.judges[figure.judge]
    return figure.task, figure.group, ours.judge or ours.people, _table(figure.ours)[1]


def _beside(figure: Figure, row: Row) -> Reproduced:
    scale = SCALES.get(figure.unit, 1.0)
    ours = Number(row["estimate"], row["lo"], row["hi"])
    if figure.ours and figure.ours.startswith(LESS_FROM_ONE):
        ours = Number(1 - ours.value, 1 - ours.hi, 1 - ours.lo)
    here = Number(*(scale * x for x in (ours.value, ours.lo, ours.hi)))
    made = Reproduced(figure, here, row["n_items"], row["n_missing"])
    if figure.tag == FROM_MEMORY:
        return made
    shifted = Number(*(x - figure.number for x in (here.value, here.lo, here.hi)))
    if figure.n is None or figure.same_verdicts or figure.bound:
        return replace(made, difference=shifted)
    theirs = wilson(figure.number / scale * figure.n, figure.n)
    down = math.hypot(ours.value - ours.lo, theirs.hi - theirs.estimate)
    up = math.hypot(ours.hi - ours.value, theirs.estimate - theirs.lo)
    ends = (shifted.value - scale * down, shifted.value + scale * up)
    return replace(made, difference=Number(shifted.value, *ends), unpaired=True)
