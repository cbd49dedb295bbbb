"""`smallclaims diff`: what changed between two runs, for a terminal."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.printable import printable
from reports.diff import COUNTS, Shared
from reports.numbers import Row, amount, interval, number, p_value, signed


def show_diff(shared: Shared, asked: list[str], table: pd.DataFrame, console: Console) -> None:
    """Print what was asked otherwise, then the judges of both runs on the items of both."""
    for n, run in enumerate(shared.runs, start=1):
        table_of = run.study.table
        _say(
            f"{n}: {run.name} ({len(run.study.cards):,} judges, {len(table_of.items):,} items)",
            console,
        )
    _say("", console)
    for line in asked:
        _say(line, console)
    if asked:
        console.print()
    n, judges = shared.items.shape[1], len(shared.judges)
    rows = table.to_dict("records")
    if not rows:
        _say("Nothing to compare: no judge of both runs has a showing of an item of both.", console)
        return
    same = not asked and all(map(_same, rows))
    verdicts = sum(row["n_verdicts"] for row in rows)
    if same:
        _say(f"Nothing changed: {judges:,} judges, {n:,} items, {verdicts:,} verdicts.", console)
        return
    _say(f"In both: {judges:,} judges, {n:,} items; what follows is of these alone.", console)
    for task in table.task.unique():
        mine = [row for row in rows if row["task"] == task]
        console.print()
        console.print(_scores(task, mine))
        console.print()
        console.print(_behaviour(mine))
    console.print()
    for row in rows:
        if row["found"] != "unchanged":
            _say(_sentence(row), console, "bold" if row["found"] == "more than noise" else None)
    if unchanged := [_who(row) for row in rows if row["found"] == "unchanged"]:
        _say(f"No verdict changed: {'; '.join(unchanged)}.", console)
    _say(
        "difference: mean score, 2 less 1, on the same items, unweighted over domains, 95 % "
        "interval clustered by prompt. p: after Holm, over the rows in which a verdict changed.",
        console,
        "dim",
    )


def _same(row: Row) -> bool:
    costs = row["usd_per_1000_1"], row["usd_per_1000_2"]
    one_cost = costs[0] == costs[1] or all(map(math.isnan, costs))
    return row["found"] == "unchanged" and one_cost


def _scores(task: str, rows: list[dict[Any, Any]]) -> Table:
    table = _table("judge", "mean in 1", "in 2", "difference", "p", "mde", "items", "prompts")
    table.title = escape(printable(task))
    for row in rows:
        table.add_row(
            escape(printable(row["judge"])),
            interval(row, "score_1"),
            interval(row, "score_2"),
            *_difference(row),
            f"{row['n_items']:,}",
            f"{row['n_prompts']:,}",
        )
    return table


def _difference(row: Row) -> tuple[str, str, str]:
    """The difference, its p and the mde; of verdicts that are the same there is none."""
    if row["found"] == "unchanged":
        return "unchanged", "–", "–"
    return interval(row, "difference", signed), p_value(row["p_holm"]), number(row["mde"])


def _behaviour(rows: list[dict[Any, Any]]) -> Table:
    shown = {"flips": ("flip_rate", number), "failed": ("failed", number)}
    if any(not math.isnan(row[f"usd_per_1000_{n}"]) for row in rows for n in (1, 2)):
        shown["$/1k"] = ("usd_per_1000", amount)
    heads = [f"{head} in 1" if n == 1 else "in 2" for head in shown for n in (1, 2)]
    table = _table("judge", "verdicts", "changed", "new", "lost", *heads)
    for row in rows:
        counts = (f"{row[name]:,}" for name in COUNTS)
        both = (interval(row, f"{m}_{n}", write) for m, write in shown.values() for n in (1, 2))
        table.add_row(escape(printable(row["judge"])), *counts, *both)
    return table


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for head in heads:
        words = head == "judge"
        table.add_column(head, justify="left" if words else "right", no_wrap=not words)
    return table


def _who(row: Row) -> str:
    return f"{row['judge']} on {row['task']}"


def _sentence(row: Row) -> str:
    """What is found of one judge on one task."""
    if row["found"].startswith("not tested"):
        return f"{_who(row)}: {row['found']}."
    found = f"{_who(row)}: {row['found']}, {interval(row, 'difference', signed)}"
    found += f", p {p_value(row['p_holm'])}."
    if row["found"] == "more than noise":
        return found
    if row["mde"] >= 1:
        return f"{found} No difference would have shown on so few items."
    return (
        f"{found} A true difference of {number(row['mde'])} would have shown in four of five such "
        "samples."
    )


def _say(text: str, console: Console, style: str | None = None) -> None:
    console.print(printable(text), style=style, markup=False, highlight=False, soft_wrap=True)
