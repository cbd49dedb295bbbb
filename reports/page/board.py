"""The leaderboard of a task: its judges over all domains, and in each."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass

import pandas as pd

from reports.numbers import number
from reports.page.cells import NOT_APPLICABLE, Number, Numbers
from reports.page.columns import cells_of, unanswered
from reports.study import INCOMPLETE

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Line:
    """One judge. `cells`: as COLUMNS, by group; None where it was not asked in the group.
    `incomplete`: by group, whether too many of its showings there have no answer."""

    judge: str
    nature: str
    kind: str
    cells: list[dict[str, Number] | None]
    rules: list[dict[str, Number]]
    incomplete: list[bool]

    @property
    def mark(self) -> str:
        """The class that its marks have."""
        return self.nature if self.nature in SHAPES else "other"

    @property
    def shape(self) -> str:
        """As in the charts."""
        return SHAPES[self.mark]


SHAPES = {"trained": "●", "prompted": "■", "null": "▽", "other": "◆"}


@dataclass(frozen=True)
class Board:
    """`domains`: names of the groups; the first is all domains, "" where there are several.
    `chances`: score of a response drawn at random, by group; `ceilings`, `annotators`: the best
    possible agreement with one annotator, and that of two. `lines`: judges from best to worst.
    `rules`, `policies`: those that there are."""

    task: str
    domains: list[str]
    chances: list[float]
    ceilings: list[Number]
    annotators: list[Number]
    lines: list[Line]
    rules: list[str]
    policies: list[str]

    @property
    def two_labels(self) -> bool:
        """Whether an item has labels of two annotators."""
        return any(n is not NOT_APPLICABLE for n in self.annotators)


Group = tuple[str, str]
WHOLE: Group = ("overall", "macro")


def board(tables: Tables, task: str, numbers: Numbers) -> Board:
    """The board of a task that has a judge."""
    here = {name: t[t.task == task] for name, t in tables.items() if "task" in t}
    domains = [str(name) for name in here["data"][here["data"].scope == "domain"].group]
    several = domains if len(domains) > 1 else []
    groups = [WHOLE, *(("domain", name) for name in several)]
    about = {(r["scope"], r["group"]): r for r in here["data"].to_dict("records")}
    chances = {g: about[g]["chance"] for g in groups}
    ceilings, annotators = (
        [numbers.estimate((task, *g, "annotators", metric), number) for g in groups]
        for metric in ("ceiling", "human_agreement")
    )
    return Board(
        task,
        ["", *several] if several else domains,
        list(chances.values()),
        ceilings,
        annotators,
        _lines(here, tables["cost"], task, chances, numbers),
        list(dict.fromkeys(here["rules"].rule)),
        list(dict.fromkeys(here["rules"].policy)),
    )


def _lines(
    here: Tables,
    cost: pd.DataFrame,
    task: str,
    chances: Mapping[Group, float],
    numbers: Numbers,
) -> list[Line]:
    """`chances`: of every group."""
    scores = {
        (row["judge"], row["scope"], row["group"]): row
        for name in ("leaderboard", "domains")
        for row in here[name].to_dict("records")
    }
    spent = {row["judge"]: row for row in cost.to_dict("records")}
    rules = _rules(here["rules"], chances, numbers)
    first = [row for row in scores.values() if (row["scope"], row["group"]) == WHOLE]
    lines = []
    for row in sorted(first, key=lambda row: -_known(row["mean"])):
        judge = row["judge"]
        cells = [
            cells_of((task, *g), scores[judge, *g], spent[judge], chance, numbers)
            if (judge, *g) in scores
            else None
            for g, chance in chances.items()
        ]
        by_rule = [rules.get((judge, *g), {}) for g in chances]
        incomplete = [
            (judge, *g) in scores and unanswered(scores[judge, *g]) > INCOMPLETE for g in chances
        ]
        kind = ", ".join(
            (
                row["nature"],
                *["one order"] * bool(row["one_order"]),
                *["incomplete"] * incomplete[0],
            )
        )
        lines.append(Line(judge, row["nature"], kind, cells, by_rule, incomplete))
    return lines


def _known(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def _rules(
    table: pd.DataFrame, groups: Container[Group], numbers: Numbers
) -> dict[tuple[str, str, str], dict[str, Number]]:
    """(judge, scope, group) -> "tie half" -> the score under that rule and policy."""
    found: dict[tuple[str, str, str], dict[str, Number]] = {}
    for row in table.to_dict("records"):
        at = (row["scope"], row["group"])
        if at in groups:
            rule, policy = row["rule"], row["policy"]
            key = (row["task"], *at, row["judge"], f"score_{rule}_{policy}")
            covered = f"an outcome for {row['coverage']:.1%} of the decided items"
            by_rule = found.setdefault((row["judge"], *at), {})
            by_rule[f"{rule} {policy}"] = numbers.estimate(key, number, covered)
    return found
