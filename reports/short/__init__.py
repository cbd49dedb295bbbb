"""The ten tables of a paper, T1 to T10: of each table of a run the columns that are printed, every
number with its interval, as text. What they leave out stands in the tables themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reports.short.behaviour import bias, calibration, cost, position
from reports.short.people import data, people
from reports.short.scores import domains, headline, leaderboard, official, pairs
from reports.short.short import Short, Tables, of_task

__all__ = ["OF_A_TASK", "Short", "Tables", "cost", "of_task", "short_tables"]

OF_A_TASK: dict[str, Callable[[Tables, str], Iterator[Short]]] = {
    "leaderboard": leaderboard,
    "domains": domains,
    "pairs": pairs,
    "position": position,
    "bias": bias,
    "calibration": calibration,
    "official": official,
    "headline": headline,
    "data": data,
    "people": people,
}
"""By the table that each selects from. `cost` is of all tasks together."""


def short_tables(tables: Tables) -> list[Short]:
    """T1 to T10 in their order, those that have rows, each task by task. `tables`: as
    `reports.tables.build` makes them."""
    made = list(cost(tables))
    for task in tables["data"].task.unique():
        mine = of_task(tables, task)
        made += [table for select in OF_A_TASK.values() for table in select(mine, str(task))]
    return sorted((table for table in made if table.rows), key=lambda table: int(table.number[1:]))
