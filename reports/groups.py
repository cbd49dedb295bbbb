"""Which items a row of a table stands on, and the estimates made of them.

Groups: "overall" is the unweighted mean over the task's domains (macro); then every domain, and
every subset where a task has several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from bench.stats import Estimate, macro
from reports.readings import Bools, Floats, ItemTable

Metric = Callable[[Bools], Estimate | None]
"""(items,) chosen -> estimate; None where the metric does not apply to any of them."""


@dataclass(frozen=True)
class Group:
    """`scope`: overall, domain or subset. `items`: (items,) which belong."""

    task: str
    scope: str
    name: str
    items: Bools


def groups_of(table: ItemTable) -> Iterator[Group]:
    """Overall first, then domains, then subsets, task by task in ledger order."""
    items = table.items
    for task in dict.fromkeys(item.task for item in items):
        mine = np.array([item.task == task for item in items])
        yield Group(task, "overall", "macro", mine)
        for scope in ("domain", "subset"):
            names = [getattr(item, scope) for item in items]
            found = sorted({n for n, of_task in zip(names, mine, strict=True) if of_task and n})
            if scope == "domain" or len(found) > 1:
                for name in found:
                    yield Group(task, scope, name, mine & np.array([n == name for n in names]))


class Estimates:
    """Makes estimates group by group, and keeps every one as a row of the table `estimates`."""

    def __init__(self, table: ItemTable, groups: list[Group]) -> None:
        self.table = table
        self.rows: list[dict[str, object]] = []
        self._domains = {
            g.task: [d for d in groups if d.task == g.task and d.scope == "domain"] for g in groups
        }

    def make(self, group: Group, judge: str, metric: str, of: Metric) -> Estimate | None:
        """`of` applied to the group's items; for "overall" to each domain's, then averaged over
        the domains that the metric applies to. None where there are none."""
        if group.scope == "overall":
            made = {d.name: of(d.items) for d in self._domains[group.task]}
            parts = {name: e for name, e in made.items() if e is not None}
            estimate = macro(list(parts.values()), list(parts)) if parts else None
        else:
            estimate = of(group.items)
        if estimate is not None:
            key = {"task": group.task, "scope": group.scope, "group": group.name}
            self.rows.append({**key, "judge": judge, "metric": metric, **asdict(estimate)})
        return estimate

    def plain(self, group: Group, values: Floats, kept: Bools) -> float:
        """Mean of (items,) values over the group's kept and decided items, for "overall" the mean
        of the domains' means; NaN where there are none."""
        domains = self._domains[group.task] if group.scope == "overall" else [group]
        parts = [d.items & kept & self.table.decided for d in domains]
        means = [float(values[part].mean()) for part in parts if part.any()]
        return float(np.mean(means)) if means else math.nan
