"""The other tables of a task, as the page shows them: a choice of their columns, each number with
its interval. The files of `tables/` have all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.page.cells import Number, Numbers, counts
from reports.page.sections import COST, OFFICIAL, PAIRS, SECTIONS, Column, Section
from reports.short.short import counted

Tables = Mapping[str, pd.DataFrame]
Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Detail:
    """`rows`: a name or words, or a number, by column."""

    title: str
    heads: list[tuple[str, bool]]
    rows: list[list[str | Number]]
    note: str


def details(tables: Tables, task: str, numbers: Numbers) -> Iterator[Detail]:
    """Those sections of a task that have a row."""
    for section in SECTIONS:
        table = tables[section.table]
        if "task" in table:
            rows = table[(table.task == task) & table.scope.isin(section.scopes)]
            if len(rows):
                yield _detail(section, rows, numbers)


def cost(tables: Tables, numbers: Numbers) -> Detail:
    """What the judges of the run took."""
    return _detail(COST, tables["cost"], numbers)


def _detail(section: Section, rows: pd.DataFrame, numbers: Numbers) -> Detail:
    """Columns that hold nothing in any row are left out."""
    kept = [c for c in section.columns if rows[c.name].notna().any() and (rows[c.name] != "").any()]
    return Detail(
        section.title,
        [(c.head, c.style is None) for c in kept],
        [[_cell(row, c, section, numbers) for c in kept] for row in rows.to_dict("records")],
        section.note,
    )


def _cell(row: Row, column: Column, section: Section, numbers: Numbers) -> str | Number:
    value = row[column.name]
    if column.style is None:
        return "" if value is None else str(value)
    if f"{column.name}_lo" not in row:
        known: float = math.nan if pd.isna(value) else float(value)
        return Number(column.style(known), value=known, facts=_counted(row))
    if section.table in FROM_THE_ROW:
        return _from_row(row, column)
    metric = f"score_{row['reading']}" if section is OFFICIAL else column.name
    judge = row.get("judge", "annotators")
    if section is PAIRS:
        judge = f"{row['judge']} - {row['against']}"
    key = (row["task"], row["scope"], row["group"], judge, metric)
    return numbers.estimate(key, column.style)


def _counted(row: Row) -> tuple[str, ...]:
    items = row["n_pairs"] if "n_pairs" in row else row["n_items"]
    return (counts(items, row["n_prompts"]) if "n_prompts" in row else counted(items, "item"),)


FROM_THE_ROW = ("headline", "cost")
"""Tables whose numbers are not among the estimates."""


def _from_row(row: Row, column: Column) -> Number:
    assert column.style is not None
    value, lo, hi = (row[f"{column.name}{end}"] for end in ("", "_lo", "_hi"))
    if row[f"{column.name}_status"] == "not_applicable":
        return Number("–", facts=("not known",))
    method = row.get("method") or (
        "Fieller, prompts as clusters"
        if column.name.startswith("usd")
        else "quantile, order statistics"
    )
    facts = (counts(row["n_items"], row["n_prompts"]), f"95 % interval; method: {method}")
    ends = "" if math.isnan(lo) else f"[{column.style(lo)}, {column.style(hi)}]"
    return Number(column.style(value), ends, value, lo, hi, facts)
