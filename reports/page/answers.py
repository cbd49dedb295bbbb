"""What is asked of a task first, answered in sentences: may the small judge replace the large one,
which judge is best, is the first better than the second, and what does it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.numbers import Row, number, rate
from reports.page.board import WHOLE, Board, Group, Line
from reports.page.cells import dollars, points
from reports.short.short import counted, records
from reports.verdicts import sentence

Tables = Mapping[str, pd.DataFrame]
Pairs = Mapping[tuple[str, str, frozenset[str]], Row]
"""Rows of the table of pairs, by scope, group and both judges."""

FREE = ("null", "planted")
"""Natures of judges that ask nobody and load nothing."""


@dataclass(frozen=True)
class Answer:
    """Of one group, without the judges that are incomplete there. `best`, `second`, `cost`:
    sentences. `leaders`: the judges that may be best."""

    best: str
    second: str
    cost: str
    leaders: tuple[Line, ...]


def verdict(tables: Tables, task: str) -> str:
    """The sentence of `smallclaims compare`; where there is none, why."""
    table = tables["headline"]
    champion = table[(table.task == task) & (table.question == "champion")]
    if len(champion):
        return sentence(records(champion)[0])
    rows = tables["leaderboard"]
    natures = set(rows[(rows.task == task) & rows["mean"].notna()].nature)
    if not natures:
        return f"No verdict on {task}: no judge has a score here."
    missing = [kind for kind in ("trained", "prompted") if kind not in natures]
    who = " and no ".join(missing)
    return (
        f"No verdict on {task}: no {who} judge has a score here. The question takes one of each "
        "kind; smallclaims compare takes any two."
    )


def answers(tables: Tables, shown: Board) -> list[Answer]:
    """One for each group of the board."""
    pairs = {
        (row["scope"], row["group"], frozenset((row["judge"], row["against"]))): row
        for row in tables["pairs"].to_dict("records")
        if row["task"] == shown.task
    }
    spent = {row["judge"]: row for row in records(tables["cost"])}
    made = []
    for n, domain in enumerate(shown.domains):
        group: Group = ("domain", domain) if n else WHOLE
        scored = _ranked(shown.lines, n)
        ranked = [line for line in scored if not line.incomplete[n]]
        leaders = [line for line in ranked if _may_lead(line, ranked, pairs, group)]
        left_out = _left_out([line.judge for line in scored if line.incomplete[n]])
        made.append(
            Answer(
                _best(ranked, leaders, n) + left_out,
                _second(ranked, pairs, group) + left_out,
                _cost(ranked, leaders, spent),
                tuple(leaders),
            )
        )
    return made


def _ranked(lines: Sequence[Line], group: int) -> list[Line]:
    """Judges with a score in the group, from best to worst."""
    known = [line for line in lines if _mean(line, group) > -1]
    return sorted(known, key=lambda line: -_mean(line, group))


def _mean(line: Line, group: int) -> float:
    cells = line.cells[group]
    return -1.0 if cells is None or math.isnan(cells["mean"].value) else cells["mean"].value


def _may_lead(line: Line, ranked: Sequence[Line], pairs: Pairs, group: Group) -> bool:
    """Whether none of the others is shown to be better, all judges compared at once."""
    others = (_less(other.judge, line.judge, pairs, group) for other in ranked if other is not line)
    return not any(found and found.lo > 0 for found in others)


@dataclass(frozen=True)
class _Difference:
    """Of two judges; the interval holds with those of all other pairs. NaN where unknown."""

    value: float
    lo: float
    hi: float
    row: Row


def _less(first: str, second: str, pairs: Pairs, group: Group) -> _Difference | None:
    """The first less the second, whichever way round the table has them."""
    row = pairs.get((*group, frozenset((first, second))))
    if row is None:
        return None
    if row["judge"] == first:
        return _Difference(row["difference"], row["all_lo"], row["all_hi"], row)
    return _Difference(-row["difference"], -row["all_hi"], -row["all_lo"], row)


def _left_out(judges: Sequence[str]) -> str:
    if not judges:
        return ""
    return f" {_some(judges)} {'is' if len(judges) == 1 else 'are'} incomplete and left out."


def _best(ranked: Sequence[Line], leaders: Sequence[Line], group: int) -> str:
    if not ranked:
        return "No complete judge has a score."
    first = ranked[0]
    said = f"{_with_score(first, group)}"
    if first.nature == "null":
        said += ", a null judge: no judge is shown to be worth its cost"
    others = [line for line in leaders if line is not first]
    if len(ranked) == 1:
        return f"{said}, the only complete judge with a score."
    if not others:
        return f"{said}. Every other judge is shown to be worse, all compared at once."
    names = _some([_with_score(line, group) for line in others])
    return f"{said}. Not shown to be worse, all compared at once: {names}."


MOST = 5  # judges that a sentence names


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {more:,} more" if more > 0 else "")


def _with_score(line: Line, group: int) -> str:
    cells = line.cells[group]
    null = " (null)" if line.nature == "null" else ""
    mean = f" {cells['mean'].text} {cells['mean'].ends}" if cells else ""
    return f"{line.judge}{null}{mean.removesuffix(' †').rstrip()}"


def _second(ranked: Sequence[Line], pairs: Pairs, group: Group) -> str:
    if len(ranked) < 2:
        return "There is no second."
    first, second = ranked[0].judge, ranked[1].judge
    found = _less(first, second, pairs, group)
    if found is None or math.isnan(found.lo):
        return f"{first} and {second} cannot be compared: too few items have a score of both."
    items, prompts = found.row["n_items"], found.row["n_prompts"]
    facts = (
        f"{points(found.value)} points, 95 % interval with all pairs compared at once "
        f"{points(found.lo)} to {points(found.hi)}, on {counted(items, 'item')} with "
        f"{counted(prompts, 'prompt')}"
    )
    if found.lo > 0:
        return f"Yes: {first} is better than {second} by {facts}."
    return f"Not shown: {first} less {second} is {facts}."


def _cost(ranked: Sequence[Line], leaders: Sequence[Line], spent: Mapping[str, Row]) -> str:
    """Of the first, and of the cheapest that is not shown to be worse."""
    if not ranked:
        return "No complete judge has a score."
    first = ranked[0]
    said, price = _price_words(first, spent[first.judge]), _price(first, spent)
    others = [line for line in leaders if line is not first and _price(line, spent) < math.inf]
    if not others:
        return said
    cheapest = min(others, key=lambda line: _price(line, spent))
    less = _price(cheapest, spent)
    if less >= price:
        return said
    who = f"{cheapest.judge}, not shown to be worse"
    if cheapest.nature in FREE:
        return f"{said} {who}, is free."
    share = f", {number(less / price)} of that" if price < math.inf else ""
    return f"{said} {who}: {dollars(less)} for 1,000 judgments{share}."


def _price(line: Line, spent: Mapping[str, Row]) -> float:
    """Dollars of 1,000 judgments; infinite where it is not known."""
    usd = 0.0 if line.nature in FREE else float(spent[line.judge]["usd_per_1000"])
    return math.inf if math.isnan(usd) else usd


def _price_words(line: Line, row: Row) -> str:
    if line.nature in FREE:
        return f"{line.judge} is free."
    if not math.isnan(row["usd_per_1000"]):
        return (
            f"{line.judge}: {dollars(row['usd_per_1000'])} for 1,000 judgments, "
            f"{dollars(row['usd_per_1000_items'])} for 1,000 items in all orders."
        )
    if math.isnan(row["judgments_per_s"]):
        return f"Not known for {line.judge}: it has no price."
    speed = rate(row["judgments_per_s"])
    return f"Not known for {line.judge}, which has no price; it gives {speed} judgments a second."
