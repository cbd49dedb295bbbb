"""The curve of a cascade for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.printable import printable


def show_cascade(table: pd.DataFrame, console: Console) -> None:
    """Print the curve of each task, all its items alike; nothing where there is none. `table`: as
    `cascade_table` makes it."""
    for _, rows in table[table.scope == "pooled"].groupby("task", sort=False):
        first = rows.iloc[0].to_dict()
        console.print()
        console.print(_title(first), style="bold", markup=False, highlight=False)
        shown = Table(box=None, pad_edge=False, header_style="bold")
        for name in (
            "handed over",
            "margin below",
            "accuracy",
            "at random",
            "oracle",
            "$/1,000 items",
        ):
            shown.add_column(name, justify="right", no_wrap=True)
        for row in rows.to_dict("records"):
            shown.add_row(*map(escape, _cells(row)))
        console.print(shown)
        if first["note"]:
            console.print(printable(first["note"]), style="dim", markup=False, highlight=False)


def _title(row: Mapping[Any, Any]) -> str:
    ends = f"{row['gain_lo']:+.3f}, {row['gain_hi']:+.3f}"
    found = f"{row['gain']:+.3f}" + ("" if math.isnan(row["gain_lo"]) else f" [{ends}]")
    return printable(
        f"{row['task']}: {row['small']} first, {row['large']} where it is unsure; area over random "
        f"routing {found}, at most {row['oracle_gain']:.3f}; {row['n_items']:,} items"
    )


def _cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    ends = f" [{row['accuracy_lo']:.3f}, {row['accuracy_hi']:.3f}]"
    cost = row["usd_per_1000_items"]
    return (
        f"{row['deferral']:.0%}",
        f"{row['threshold']:.4g}",
        f"{row['accuracy']:.3f}" + ("" if math.isnan(row["accuracy_lo"]) else ends),
        f"{row['random']:.3f}",
        f"{row['oracle']:.3f}",
        "–" if math.isnan(cost) else f"{cost:.4g}",
    )
