"""What is asked of a task first, answered in sentences: may the small judge replace the large one,
which judge is best, is the first better than the second, and what does it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.numbers import Row, number
from reports.page.board import WHOLE, Board, Group, Line
from reports.page.cells import dollars, points
from reports.short.short import records
from reports.verdicts import sentence

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Answer:
    """Of one group. `best`, `second`, `cost`: sentences. `leaders`: the judges that may be best."""

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
    usd = _usd(tables["cost"])
    made = []
    for n, domain in enumerate(shown.domains):
        group: Group = ("domain", domain) if n else WHOLE
        ranked = _ranked(shown.lines, n)
        leaders = [line for line in ranked if _may_lead(line, tables, shown.task, group)]
        made.append(
            Answer(
                _best(ranked, leaders, n),
                _second(ranked, pairs, group),
                _cost(ranked, leaders, usd),
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


def _may_lead(line: Line, tables: Tables, task: str, group: Group) -> bool:
    """Whether no judge is shown to be better."""
    table = tables["leaderboard" if group == WHOLE else "domains"]
    here = (table.task == task) & (table.scope == group[0]) & (table.group == group[1])
    row = table[here & (table.judge == line.judge)].iloc[0]
    return bool(pd.isna(row["rank_lo"]) or row["rank_lo"] == 1)


def _best(ranked: Sequence[Line], leaders: Sequence[Line], group: int) -> str:
    if not ranked:
        return "No judge has a score."
    first = ranked[0]
    said = f"{_with_score(first, group)}"
    if first.nature == "null":
        said += ", a null judge: no judge is shown to be worth its cost"
    others = [line for line in leaders if line is not first]
    if len(ranked) == 1:
        return f"{said}, the only judge with a score."
    if not others:
        return f"{said}. Every other judge is shown to be worse."
    names = ", ".join(_with_score(line, group) for line in others[:MOST])
    more = f" and {len(others) - MOST:,} more" if len(others) > MOST else ""
    return f"{said}. Not shown to be worse: {names}{more}."


MOST = 5  # judges that a sentence names


def _with_score(line: Line, group: int) -> str:
    cells = line.cells[group]
    null = " (null)" if line.nature == "null" else ""
    mean = f" {cells['mean'].text} {cells['mean'].ends}" if cells else ""
    return f"{line.judge}{null}{mean.removesuffix(' †').rstrip()}"


def _second(
    ranked: Sequence[Line],
    pairs: Mapping[tuple[str, str, frozenset[str]], Row],
    group: Group,
) -> str:
    if len(ranked) < 2:
        return "There is no second."
    first, second = ranked[0].judge, ranked[1].judge
    row = pairs.get((*group, frozenset((first, second))))
    if row is None or math.isnan(row["all_lo"]):
        return f"{first} and {second} cannot be compared: too few items have a score of both."
    turned = row["judge"] != first
    value = -row["difference"] if turned else row["difference"]
    lo, hi = (-row["all_hi"], -row["all_lo"]) if turned else (row["all_lo"], row["all_hi"])
    facts = (
        f"{points(value)} points, 95 % interval with all pairs compared at once {points(lo)} to "
        f"{points(hi)}, on {row['n_items']:,} items with {row['n_prompts']:,} prompts"
    )
    if math.isnan(row["p_adjusted"]):
        return f"No test, since one of them is incomplete: {first} less {second} is {facts}."
    if lo > 0:
        return f"Yes: {first} is better than {second} by {facts}."
    more = ""
    if not math.isnan(row["mde"]):
        more = (
            f" A true difference of {100 * row['mde']:.1f} points would have shown in four of "
            "five such samples."
        )
    return f"Not shown: {first} less {second} is {facts}.{more}"


def _usd(cost: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Known dollars of 1,000 judgments, and of 1,000 items, by judge."""
    known = cost.dropna(subset=["usd_per_1000"])
    return {
        judge: (judgments, items)
        for judge, judgments, items in zip(
            known.judge, known.usd_per_1000, known.usd_per_1000_items, strict=True
        )
    }


def _cost(
    ranked: Sequence[Line],
    leaders: Sequence[Line],
    usd: Mapping[str, tuple[float, float]],
) -> str:
    """Of the first, and of the cheapest that is not shown to be worse."""
    if not ranked:
        return "No judge has a score."
    first = ranked[0].judge
    if first in usd:
        judgments, items = usd[first]
        said = (
            f"{first}: {dollars(judgments)} for 1,000 judgments, {dollars(items)} for 1,000 items "
            "in all orders."
        )
    else:
        said = f"Not known for {first}: it has no price."
    others = [line.judge for line in leaders if line.judge in usd and line.judge != first]
    if others:
        cheapest = min(others, key=lambda judge: usd[judge])
        price = usd[cheapest][0]
        if first not in usd or price < usd[first][0]:
            share_of = (
                f", {number(price / usd[first][0])} of that" if usd.get(first, (0,))[0] else ""
            )
            said += (
                f" {cheapest}, not shown to be worse: {dollars(price)} for 1,000 judgments"
                f"{share_of}."
            )
    return said
