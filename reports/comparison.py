"""`smallclaims compare`: the headline question asked of a run, and its answer for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.printable import printable
from bench.registry import choose
from bench.spec import parse_specs
from bench.types import BenchError
from reports.headline import Question, default_question
from reports.study import Study
from reports.verdicts import sentence


def ask(study: Study, small: str, large: str, margin: float) -> Question:
    """The question in the user's words -> names of judges of the run; an empty side takes the
    trained, or the prompted ones.

    Raises BenchError for a name that the run does not have, a judge on both sides, an empty side,
    or a margin outside (0, 1).
    """
    if not 0 < margin < 1:
        raise BenchError(f"margin is {margin}; a share between 0 and 1 expected, such as 0.02")
    usual = default_question(study)
    sides = _named(study, small) or usual.small, _named(study, large) or usual.large
    names = ", ".join(card.name for card in study.cards)
    for side, option, kind in zip(
        sides, ("--small", "--large"), ("trained", "prompted"), strict=True
    ):
        if not side:
            raise BenchError(
                f"no {kind} judge in this run: name some with {option}. It has {names}"
            )
    both = sorted(set(sides[0]) & set(sides[1]))
    if both:
        raise BenchError(f"{', '.join(both)} stands on both sides; each judge on one expected")
    return Question(*sides, margin)


def _named(study: Study, text: str) -> tuple[str, ...]:
    known = [card.name for card in study.cards]
    chosen = tuple(spec.label or spec.text for spec in parse_specs(text))
    for name in chosen:
        if name not in known:
            raise choose("judge of this run", name, known)
        if chosen.count(name) > 1:
            raise BenchError(f"{name} is named {chosen.count(name)} times; once expected")
    return chosen


COARSE = 0.10
"""A row that could not have shown a difference of ten points is printed pale."""


def show_answer(table: pd.DataFrame, question: Question, console: Console) -> None:
    """Print what was asked, and for every task the sentence with the table that it stands on."""
    if table.empty:
        raise BenchError("no task of this run has a score of a judge of both sides")
    console.print(
        f"small: {', '.join(question.small)}\nlarge: {', '.join(question.large)}\n"
        f"margin: {100 * question.margin:g} points; score: mean of both orders, failures wrong; "
        f"question {question.key}",
        markup=False,
        highlight=False,
    )
    for task in table.task.unique():
        show_verdict(table[table.task == task], console)
    console.print(
        "difference: small minus large, 95 % interval, cluster-adjusted by prompt. p: sign-flip of "
        "prompts for the mean over domains, that of the interval elsewhere; Holm over the tasks, "
        "and over the domains of a task. smallest margin: the least loss that these items rule "
        "out. mde: difference that would have shown in four of five such samples; pale rows could "
        "not have shown ten points.",
        style="dim",
        highlight=False,
    )


def show_verdict(table: pd.DataFrame, console: Console) -> None:
    """Print the sentence of one task and the rows that it stands on, with what must be known of
    them; nothing where there are none."""
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()} for row in table.to_dict("records")
    ]
    if not rows:
        return
    console.print()
    console.print(sentence(rows[0]), style="bold", markup=False, highlight=False)
    console.print(_rows(rows))
    for row in rows:
        if row["note"] and (row is rows[0] or row["verdict"] == "undefined"):
            told = f"{where(row)}: {row['note']}"
            console.print(told, style="dim", markup=False, highlight=False)


def _rows(rows: Sequence[Mapping[Any, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "small", "large", "verdict"):
        table.add_column(name, overflow="fold")
    for name in (
        "difference",
        "p",
        "Holm",
        "smallest margin",
        "mde",
        "items",
        "prompts",
        "missing",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            escape(printable(where(row))),
            escape(str(row["small"])),
            escape(str(row["large"])),
            row["verdict"],
            _difference(row),
            _p(row["p"]),
            _p(row["p_holm"]),
            _number(row["smallest_margin"]),
            _number(row["mde"]),
            f"{row['n_items']:,}",
            f"{row['n_prompts']:,}",
            f"{row['n_missing']:,}",
            style="dim" if row["mde"] > COARSE else None,
        )
    return table


def where(row: Mapping[Any, Any]) -> str:
    """champion, macro mean; champion, all items; champion in math; family, these judges."""
    where = {"overall": "macro mean", "pooled": "all items"}.get(row["scope"], row["group"])
    if row["question"] == "family":
        where = row["group"]
    return f"{row['question']}: {where}"


def _difference(row: Mapping[Any, Any]) -> str:
    if math.isnan(row["difference"]):
        return "–"
    if math.isnan(row["difference_lo"]):
        return f"{row['difference']:+.3f} [–]"
    ends = f"{row['difference_lo']:+.3f}, {row['difference_hi']:+.3f}"
    return f"{row['difference']:+.3f} [{ends}]"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else _number(value)


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
