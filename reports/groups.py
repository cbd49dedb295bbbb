"""Which items a row of a table stands on, and the estimates made of them.

Groups of a task: "overall" is the unweighted mean over its domains (macro), "pooled" all its items
alike (micro); then every domain, and every subset where there are several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from bench.stats import Estimate, macro
from reports.readings import Bools, Floats, ItemTable

Made = Mapping[str, Estimate | None]
Block = Callable[[Bools], Made]
"""(items,) chosen -> estimates by metric; None where a metric does not apply to any of them."""


@dataclass(frozen=True)
class Group:
    """`scope`: overall, pooled, domain or subset. `items`: (items,) which belong."""

    task: str
    scope: str
    name: str
    items: Bools

    @property
    def key(self) -> dict[str, object]:
        """The columns that every table begins with."""
        return {"task": self.task, "scope": self.scope, "group": self.name}


def groups_of(table: ItemTable) -> Iterator[Group]:
    """Overall first, then pooled, domains, subsets, task by task in ledger order."""
    tasks, domains = np.array(table.task), np.array(table.domain)
    subsets = np.array([item.subset or "" for item in table.items])
    for task in dict.fromkeys(table.task):
        mine = tasks == task
        yield Group(task, "overall", "macro", mine)
        yield Group(task, "pooled", "micro", mine)
        for name in np.unique(domains[mine]):
            yield Group(task, "domain", str(name), mine & (domains == name))
        found = [name for name in np.unique(subsets[mine]) if name]
        if len(found) > 1:
            for name in found:
                yield Group(task, "subset", str(name), mine & (subsets == name))


class Estimates:
    """Makes estimates group by group, each once, and keeps every one as a row of the table
    `estimates`."""

    def __init__(self, table: ItemTable, groups: list[Group]) -> None:
        self.table = table
        self.rows: list[dict[str, object]] = []
        self._domains = {
            g.task: [d for d in groups if d.task == g.task and d.scope == "domain"] for g in groups
        }
        self._made: dict[tuple[object, ...], Made] = {}

    def block(
        self, group: Group, judge: str, name: str, of: Block, over_domains: Block | None = None
    ) -> dict[str, Estimate | None]:
        """`of` applied to the group's items; for "overall" to each domain's, and each metric then
        averaged over the domains that it applies to: by `macro`, which says what a domain lacks, or
        where none lacks anything by `over_domains`, which sees the items of all. `name`: of this
        block of metrics."""
        if group.scope == "overall":
            parts = {d.name: self._once(d, judge, name, of) for d in self._domains[group.task]}
            metrics = dict.fromkeys(metric for part in parts.values() for metric in part)
            made = {metric: _macro(metric, parts) for metric in metrics}
            whole = all(e is not None and not math.isnan(e.lo) for e in made.values())
            if over_domains is not None and whole:
                made = dict(over_domains(group.items))
        else:
            made = dict(self._once(group, judge, name, of))
        self.keep(group.key, judge, made)
        return made

    def keep(self, key: Mapping[str, object], judge: str, made: Made) -> None:
        """Rows of the table `estimates` for what another table prints. `key`: as `Group.key`."""
        for metric, e in made.items():
            if e is not None:
                self.rows.append({**key, "judge": judge, "metric": metric, **asdict(e)})

    def _once(
        self, group: Group, judge: str, name: str, of: Block
    ) -> Mapping[str, Estimate | None]:
        key = (group.task, group.scope, group.name, judge, name)
        if key not in self._made:
            self._made[key] = of(group.items)
        return self._made[key]

    def plain(self, group: Group, values: Floats, kept: Bools) -> float:
        """Mean of (items,) values over the group's kept and decided items, for "overall" the mean
        of the domains' means; NaN where there are none."""
        domains = self._domains[group.task] if group.scope == "overall" else [group]
        parts = [d.items & kept & self.table.decided for d in domains]
        means = [float(values[part].mean()) for part in parts if part.any()]
        return float(np.mean(means)) if means else math.nan


def _macro(metric: str, parts: Mapping[str, Made]) -> Estimate | None:
    made = {name: e for name, part in parts.items() if (e := part.get(metric)) is not None}
    return macro(list(made.values()), list(made)) if made else None


def cells(made: Made) -> dict[str, object]:
    """Estimates as the columns of a wide table: METRIC, METRIC_lo, METRIC_hi, METRIC_status."""
    row: dict[str, object] = {}
    for name, e in made.items():
        values = (math.nan,) * 3 if e is None else (e.estimate, e.lo, e.hi)
        row.update(zip((name, f"{name}_lo", f"{name}_hi"), values, strict=True))
        row[f"{name}_status"] = "not_applicable" if e is None else e.status
    return row
