"""`report/index.html`: the page that says which judge to use, and on what that stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from bench.ledger import Ledger
from reports.figures import Figure, across_tasks, figures
from reports.figures.inline import inline
from reports.numbers import number
from reports.page.answers import Answer, answers, verdict
from reports.page.board import Board, board
from reports.page.caveats import caveats
from reports.page.cells import Numbers, counts, rounded
from reports.page.columns import COLUMNS
from reports.page.details import Detail, cost, details
from reports.page.document import document
from reports.page.domains import Domain, domain_rows
from reports.page.origin import origin
from reports.short.short import counted
from reports.terminal import LEGEND

Tables = dict[str, pd.DataFrame]

RULES = {
    "mean": "mean of the orders' credits",
    "strict": "right in every order",
    "tie": "orders that differ are a tie",
    "net_vote": "more right than wrong",
    "first": "the first order alone",
    "decisive": "only where the orders agree on one",
}
POLICIES = {"wrong": "wrong", "half": "half right", "chance": "a guess", "drop": "left out"}


@dataclass(frozen=True)
class Drawn:
    """A chart as it stands in the page."""

    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class TaskPart:
    """What the page says of one task. `about`: counts and agreement of its labels, in words."""

    name: str
    about: str
    verdict: str
    note: str
    caveats: list[str]
    board: Board
    answers: list[Answer]
    domains: list[Domain]
    charts: list[Drawn]
    details: list[Detail]


def write(ledger: Ledger, tables: Tables, folder: Path) -> Path:
    """Write `folder`/report/index.html, whole or not at all, and return its path. `tables`: of
    `ledger`, as `reports.tables.build` makes them. One file that needs no other and no network; it
    holds no item."""
    path = folder / "report" / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("index.html.part")
    part.write_text(page(ledger, tables, items=(path.parent / "items").is_dir()), encoding="utf-8")
    part.replace(path)
    return path


def page(ledger: Ledger, tables: Tables, *, items: bool = False) -> str:
    """The page as text. `items`: link to the verdicts in the folder of that name."""
    numbers = Numbers(tables["estimates"])
    stopped = _stopped(ledger)
    tasks = map(str, tables["data"].task.unique())
    parts = [_part(tables, task, numbers, stopped) for task in tasks]
    domains = list(dict.fromkeys(d for part in parts for d in part.board.domains if d))
    boards = [_script(part.board, domains, numbers) for part in parts]
    return document(
        "index.html.j2",
        css=["page.css"],
        js=["page.js"],
        run=ledger.path.resolve().parent.name,
        parts=parts,
        domains=domains,
        kinds=list(dict.fromkeys(line.nature for part in parts for line in part.board.lines)),
        rules=_names(RULES, [part.board.rules for part in parts]),
        policies=_names(POLICIES, [part.board.policies for part in parts]),
        columns=COLUMNS,
        across=_drawn(across_tasks(tables)),
        cost=cost(tables, numbers),
        legend=LEGEND,
        origin=origin(ledger),
        items=items,
        numbers=numbers,
        number_of=number,
        # Called where the template ends: by then every number has its place.
        data=lambda: {"boards": boards, **numbers.data()},
    )


def _stopped(ledger: Ledger) -> dict[str, str]:
    """Why judges stopped early when they last worked, by name."""
    last = {judge: why for judge, *_, why in ledger.sessions()}
    return {judge: why for judge, why in last.items() if why}


def _part(tables: Tables, task: str, numbers: Numbers, stopped: Mapping[str, str]) -> TaskPart:
    shown = board(tables, task, numbers)
    found = answers(tables, shown)
    return TaskPart(
        task,
        _about(tables["data"], task),
        verdict(tables, task),
        _note(tables["headline"], task),
        caveats(tables, task, stopped),
        shown,
        found,
        domain_rows(tables, shown, found),
        _drawn(figures(tables, task)),
        list(details(tables, task, numbers)),
    )


def _about(data: pd.DataFrame, task: str) -> str:
    row = data[(data.task == task) & (data.scope == "overall")].iloc[0]
    words = [counts(row.n_items, row.n_prompts), f"chance {number(row.chance)}"]
    if n := row.n_unlabelled:
        words.append(f"{counted(n, 'item')} without a label {'has' if n == 1 else 'have'} no score")
    if n := row.n_undecided_items:
        verb = "is" if n == 1 else "are"
        words.append(f"{counted(n, 'item')} undecided by the annotators {verb} left out")
    return "; ".join(words)


def _note(headline: pd.DataFrame, task: str) -> str:
    """How the champions were chosen; what else the note of a verdict may say stands in its
    sentence."""
    rows = headline[(headline.task == task) & (headline.question == "champion")]
    return str(rows.iloc[0].note) if len(rows) and rows.iloc[0].verdict != "undefined" else ""


def _drawn(made: Sequence[Figure]) -> list[Drawn]:
    return [Drawn(f.title, f.caption, Markup(inline(f))) for f in made]


def _names(known: Mapping[str, str], there: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    names = {name for some in there for name in some}
    return [(name, words) for name, words in known.items() if name in names]


def _script(shown: Board, domains: Sequence[str], numbers: Numbers) -> dict[str, object]:
    """A board as the script of the page needs it: places of numbers, group by group and judge by
    judge."""
    index = {name: n for n, name in enumerate(domains)}
    groups = [
        {
            "domain": index.get(name, -1),
            "chance": rounded(shown.chances[n]),
            "cells": [
                [numbers.place(cells[c.name]) for c in COLUMNS]
                if (cells := line.cells[n])
                else None
                for line in shown.lines
            ],
            "rules": [
                {rule: numbers.place(e) for rule, e in line.rules[n].items()}
                for line in shown.lines
            ],
            "people": [numbers.place(shown.ceilings[n]), numbers.place(shown.annotators[n])],
        }
        for n, name in enumerate(shown.domains)
    ]
    return {"groups": groups}
