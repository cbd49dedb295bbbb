"""report.md: what a reviewer reads in a pull request. The verdict and what changes its meaning
first, then the short tables. Nothing is read but the tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pandas as pd

from reports.marked import escape, table
from reports.page.answers import verdict
from reports.page.caveats import caveats
from reports.short import OF_A_TASK, Short, cost, of_task
from reports.short.behaviour import bias, position
from reports.short.people import people
from reports.short.scores import SCORES
from reports.short.short import counted

SECTIONS = {
    "leaderboard": "Leaderboard (T1)",
    "domains": "Domains (T2)",
    "position": "Position (T4)",
    "bias": "Length and kin (T5)",
    "cost": "Cost and speed (T8)",
    "people": "Beside the annotators (T10)",
    "data": "Data (T10)",
}
MOST_NOTES = 10
SHOWN = {*SCORES, *position.metrics, *bias.metrics, *people.metrics}


def save(tables: Mapping[str, pd.DataFrame], folder: Path) -> Path:
    """Write report.md into `folder`, whole or not at all; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path, part = folder / "report.md", folder / "report.md.part"
    part.write_text(report(tables), encoding="utf-8")
    part.replace(path)
    return path


def report(tables: Mapping[str, pd.DataFrame]) -> str:
    """The whole text. `tables`: as `reports.tables.build` makes them."""
    tasks = [str(task) for task in tables["data"].task.unique()]
    parts = [f"# Judges on {', '.join(map(escape, tasks))}"]
    for task in tasks:
        parts.append(f"**{escape(verdict(tables, task))}**")
        if warnings := caveats(tables, task):
            parts.append("\n".join(f"- {escape(line)}" for line in warnings))
    nulls = set(tables["leaderboard"].judge[tables["leaderboard"].nature == "null"])
    for name, title in SECTIONS.items():
        found = [short for short in _of(tables, name, tasks) if short.rows]
        if found:
            parts += [f"## {title}", escape(found[0].legend)]
            parts += [_shown(short, nulls) for short in found]
    return "\n\n".join([*parts, "## Notes", "\n".join(_notes(tables["estimates"]))]) + "\n"


def _of(tables: Mapping[str, pd.DataFrame], name: str, tasks: list[str]) -> Iterator[Short]:
    if name == "cost":
        yield from cost(tables)
        return
    for task in tasks:
        yield from OF_A_TASK[name](of_task(tables, task), task)


def _shown(short: Short, nulls: Collection[str]) -> str:
    """What it is about, and the table; null judges in italics."""
    rows = (
        (
            f"*{escape(row[0])}*" if row[0] in nulls else escape(row[0]),
            *map(escape, row[1 : short.words]),
            *row[short.words :],
        )
        for row in short.rows
    )
    shown = table(tuple(map(escape, short.head)), rows, short.words)
    return f"{escape(short.about)}\n\n{shown.rstrip()}"


def _notes(estimates: pd.DataFrame) -> Iterator[str]:
    """What italics mean, where the rest is, and why some of the numbers shown are missing."""
    yield "- Null judges, which cost nothing and know nothing, are in italics."
    yield (
        "- Undefined is –, what does not apply is n/a; neither is ever 0. Every table whole, in "
        "CSV, JSON, Parquet and LaTeX: `tables/`; method, counts and status of every number: "
        "`tables/estimates.csv`; `smallclaims check RUN` recomputes them."
    )
    shown = estimates[(estimates.scope == "pooled") & estimates.metric.isin(SHOWN)]
    missing = shown[(shown.estimate.isna() | shown.lo.isna()) & (shown.note != "")]
    reasons = list(missing.groupby(["task", "note", "metric"], sort=False).judge)
    for (task, note, metric), judges in reasons[:MOST_NOTES]:
        told = f"{task}, {metric} of {', '.join(judges)}: {note}."
        yield f"- {escape(told)}"
    if len(reasons) > MOST_NOTES:
        more = counted(len(reasons) - MOST_NOTES, "further reason")
        yield f"- {more}: `tables/estimates.csv`."
