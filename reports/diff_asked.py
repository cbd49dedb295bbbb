"""What two runs were asked: plan, tasks, items, judges and their settings that are not the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from bench.types import JudgeCard
from reports.diff import Shared

PLAN = ("limit", "seed", "repeats", "keep_trained")
UNSEEN = ("name", "description", "settings")


def asked(shared: Shared) -> list[str]:
    """Sentences, in which 1 and 2 are the runs; none where the same was asked."""
    return [*_plan(shared), *_items(shared), *_judges(shared)]


def _plan(shared: Shared) -> Iterator[str]:
    one, two = (asdict(run.plan) for run in shared.runs)
    for name in PLAN:
        if one[name] != two[name]:
            yield f"plan: {name} is {_said(one[name])} in 1, {_said(two[name])} in 2"


def _items(shared: Shared) -> Iterator[str]:
    """Task by task; an item that has its id in both runs and another content is told apart."""
    alone: list[dict[str, set[str]]] = []
    sizes = []
    for n, run in enumerate(shared.runs):
        common = set(shared.items[n].tolist())
        here: dict[str, set[str]] = {}
        for i, item in enumerate(run.study.table.items):
            if i not in common:
                here.setdefault(item.task, set()).add(item.id)
        alone.append(here)
        sizes.append(Counter(run.study.table.task))
    for task in sorted({*sizes[0], *sizes[1]}):
        one, two = (here.get(task, set()) for here in alone)
        for n in (1, 2):
            if not sizes[2 - n][task]:
                yield f"task {task}: in {n} alone, {sizes[n - 1][task]:,} items"
        if sizes[0][task] and sizes[1][task] and (one or two):
            counts = {
                "in 1 alone": len(one - two),
                "in 2 alone": len(two - one),
                "under one id with another content (texts, labels)": len(one & two),
            }
            told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
            yield f"items of {task}: {told}"


def _judges(shared: Shared) -> Iterator[str]:
    for n, run in enumerate(shared.runs):
        met = {cards[n].name for cards in shared.judges}
        for card in run.study.cards:
            if card.name not in met:
                yield f"judge {card.name}: in {n + 1} alone"
    for one, two in shared.judges:
        if one.name != two.name:
            yield f"judge {one.name} of 1 is {two.name} in 2: one identity"
        changes = list(_changes(one, two))
        if changes:
            kept = "" if one.identity != two.identity else " (nothing that can change a verdict)"
            yield f"judge {one.name}: {'; '.join(changes)}{kept}"


def _changes(one: JudgeCard, two: JudgeCard) -> Iterator[str]:
    before, after = (_facts(card) for card in (one, two))
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield f"{name} {_said(before.get(name))} -> {_said(after.get(name))}"


def _facts(card: JudgeCard) -> Mapping[str, Any]:
    own = {name: value for name, value in asdict(card).items() if name not in UNSEEN}
    return {**own, **card.settings}


def _said(value: Any) -> str:
    return "none" if value is None or value in ("", (), [], {}) else str(value)
