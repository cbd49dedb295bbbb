"""What a short table is, and what all of them need of the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from reports.numbers import Row, number

Tables = Mapping[str, pd.DataFrame]
T = TypeVar("T")
ACROSS = 5  # groups beside each other; more of them go to a further table
FEW = "*: little data, read the interval."


@dataclass(frozen=True)
class Short:
    """`number`: T1 .. T10. `name`: of the table that it selects from. `task`: whose rows they are,
    empty for all. `about`: counts and intervals. `legend`: rule and columns, the same for all
    tasks. `head`, `rows`: plain text that may hold names from somebody's data. `words`: how many
    columns, the first ones, are words."""

    number: str
    name: str
    task: str
    about: str
    legend: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def of_task(tables: Tables, task: str) -> dict[str, pd.DataFrame]:
    """The rows of one task; tables of judges alone (`cost`) whole."""
    return {name: t[t.task == task] if "task" in t else t for name, t in tables.items()}


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows by column."""
    return [{str(name): value for name, value in r.items()} for r in table.to_dict("records")]


def overall(table: pd.DataFrame) -> dict[str, Any]:
    """The first row of scope overall."""
    return records(table[table.scope == "overall"])[0]


def ordered(tables: Tables) -> list[dict[str, Any]]:
    """Rows of the leaderboard's means over domains, the best judge first."""
    found = tables["leaderboard"]
    whole = found[found.scope == "overall"]
    return records(whole.sort_values("mean", ascending=False, kind="stable"))


def at_chance(row: Row, chance: float) -> bool:
    """Whether the interval of a judge's mean holds what chance gets."""
    return bool(row["mean_lo"] <= chance <= row["mean_hi"])


def counted(n: int, noun: str) -> str:
    """1 item, 1,204 items."""
    return f"{n:,} {noun if n == 1 else f'{noun}s'}"


def counts(about: Row) -> str:
    """ "a label that decides on 914 of 999 items, 170 prompts, chance .500"."""
    n, left_out = about["n_items"], about["n_undecided_items"] + about["n_unlabelled"]
    decided = f"a label that decides on {n - left_out:,} of {counted(n, 'item')}"
    parts = (decided if left_out else counted(n, "item"), counted(about["n_prompts"], "prompt"))
    return ", ".join((*parts, f"chance {number(about['chance'])}"))


def intervals(about: Row) -> str:
    """What the intervals stand on."""
    if about["n_clusters"] == about["n_prompts"]:
        return "95 % intervals, clustered by prompt"
    return f"95 % intervals, clustered ({counted(about['n_clusters'], 'cluster')})"


def blocks(names: Sequence[T]) -> Iterator[Sequence[T]]:
    """At most ACROSS at a time, about as many each time."""
    n = -(-len(names) // ACROSS)
    for k in range(n):
        yield names[k * len(names) // n : (k + 1) * len(names) // n]
