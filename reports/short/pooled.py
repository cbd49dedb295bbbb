"""A short table with a row a judge: all items of a task alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.numbers import interval, number, signed
from reports.short.short import FEW, Short, Tables, intervals, ordered, overall, records

SIGNED = ("_excess", "_difference", "overconfidence", "right_first")
"""Ends of the names of metrics that are differences."""


@dataclass(frozen=True)
class Pooled:
    """`number`, `name`: as in `Short`. `metrics`: column -> its head. `counted`: what the numbers
    stand on. `legend`: likewise."""

    number: str
    name: str
    metrics: Mapping[str, str]
    counted: str
    legend: str

    def __call__(self, tables: Tables, task: str) -> Iterator[Short]:
        """The best judge first; metrics that apply to no judge are left out."""
        found = tables[self.name]
        of = {row["judge"]: row for row in records(found[found.scope == "pooled"])}
        rows = [of[row["judge"]] for row in ordered(tables) if row["judge"] in of]
        shown = [
            m for m in self.metrics if any(row[f"{m}_status"] != "not_applicable" for row in rows)
        ]
        made = (
            (
                row["judge"],
                *(interval(row, m, signed if m.endswith(SIGNED) else number) for m in shown),
                f"{row[f'n_{self.counted}']:,}",
            )
            for row in rows
        )
        about = f"{task}: all items alike; {intervals(overall(tables['data']))}."
        head = ("judge", *(self.metrics[m] for m in shown), self.counted)
        legend = f"{self.legend} {FEW}"
        yield Short(self.number, self.name, task, about, legend, head, tuple(made))
