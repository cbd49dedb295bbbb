"""A judge's card: may it replace an annotator, or a large judge, and on which domain?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from bench.types import JudgeCard
from reports.card_scores import groups, unanswered
from reports.cost import usd_per_1000
from reports.gates import ALT_CAVEAT, KAPPA_CAVEAT, alt_test, kappa_gate
from reports.headline import Question, headline_table
from reports.marked import escape, table
from reports.numbers import Row, interval, signed
from reports.short.short import records
from reports.study import INCOMPLETE, Study, nature
from reports.verdicts import sentence

Tables = Mapping[str, pd.DataFrame]
By = dict[tuple[str, str], dict[str, Any]]
"""Rows by task and domain; "" is all of a task."""

LARGE_CAVEAT = (
    "Large judge: the best prompted one of the run that is known to be larger, or whose size is "
    "not known, chosen on the dev items and compared on the others where there are several; the "
    "same items for both, a margin of 2 points. Undecided is not equal."
)


def replaces(study: Study, tables: Tables, card: JudgeCard, tasks: list[str]) -> Iterator[str]:
    """The section; of a null judge, that it is none to choose."""
    yield "## May it replace an annotator, or a large judge?"
    if not tasks:
        yield "Nobody knows: it was shown nothing."
        return
    if nature(card) == "null":
        yield "No: a null judge is a yardstick. What does not beat it is worth nothing."
        return
    beside = _by_domain(tables["people"], card.name)
    duels = _duels(study, tables, card)
    rows, lines = [], []
    incomplete: set[str] = set()
    for task, group, row in groups(tables, card.name, tasks):
        if row["scope"] == "subset":
            continue
        of = "" if row["scope"] == "overall" else group
        if of == "" and unanswered(row) > INCOMPLETE:
            incomplete.add(task)
        person, duel = beside.get((task, of)), duels.get((task, of))
        gate = kappa_gate(row)
        alone = alt_test(person) if person else "no test: one label an item"
        if task in incomplete or unanswered(row) > INCOMPLETE:
            gate = alone = "not tested: incomplete"
        if of == "":
            lines.append(_in_short(task, gate, alone, duel))
        gap = interval(person, "kappa_difference", signed) if person else "n/a"
        cells = (interval(row, "kappa"), gate, gap, alone, _against(duel))
        rows.append((escape(task), escape(group), *cells))
    yield "\n".join(f"- {line}" for line in lines)
    head = (
        "task",
        "domain",
        "kappa",
        "kappa gate",
        "kappa gap",
        "alternative annotator test",
        "large judge",
    )
    yield table(head, rows, 2).rstrip()
    yield "\n".join(f"- {text}" for text in (KAPPA_CAVEAT, ALT_CAVEAT, LARGE_CAVEAT))


def _by_domain(found: pd.DataFrame, judge: str) -> By:
    mine = records(found[found.judge == judge])
    return {(r["task"], "" if r["scope"] == "pooled" else r["group"]): r for r in mine}


def _duels(study: Study, tables: Tables, card: JudgeCard) -> By:
    """The judge against the best of the large ones: over all domains, and in each."""
    large = tuple(c.name for c in study.cards if nature(c) == "prompted" and _larger(c, card))
    if not large:
        return {}
    usd = usd_per_1000(tables["cost"])
    found = headline_table(study, Question((card.name,), large), usd)
    rows = records(found[(found.question == "champion") & (found.scope != "pooled")])
    return {(r["task"], "" if r["scope"] == "overall" else r["group"]): r for r in rows}


def _larger(other: JudgeCard, card: JudgeCard) -> bool:
    """Whether `other` is another judge whose size nobody knows, or that is known to have more
    weights than this one is known to have."""
    if other.parameters is None:
        return other.name != card.name
    return card.parameters is not None and other.parameters > card.parameters


def _against(duel: Row | None) -> str:
    if duel is None:
        return "n/a"
    return escape(f"{duel['large']}: {duel['verdict']} {interval(duel, 'difference', signed)}")


def _in_short(task: str, gate: str, alone: str, duel: Row | None) -> str:
    person = f"kappa gate: {gate}; alternative annotator test: {alone.partition(';')[0]}"
    large = "no larger prompted judge beside it." if duel is None else sentence(duel)
    return escape(f"{task}, instead of an annotator: {person}. Instead of a large judge: {large}")
