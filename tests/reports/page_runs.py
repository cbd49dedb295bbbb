"""Runs whose pages are looked at: an ordinary one, and one with hostile text wherever there can be
text of somebody's data."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.ledger import Ledger
from bench.overlap import TrainingOverlap
from bench.plan import Plan, trials
from bench.types import (
    Item,
    JudgeCard,
    Label,
    Message,
    Response,
    Status,
    Usage,
    Verdict,
    failure,
    verdict,
)
from reports.page.page import write
from reports.tables import build

HOSTILE = (
    "<script>window.ran=1</script>",
    '"><img src=x onerror="window.ran=1">',
    "'><svg onload=window.ran=1>",
    "</script><script>window.ran=1</script>",
    "javascript:window.ran=1",
    "data:text/html,<script>window.ran=1</script>",
    "<style>*{display:none}</style>",
    "</style><link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "\u202eright to left\u2066",
    "two\u2028lines\u2029\r\n\tand blanks",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "<!-- --> ]]> &lt;b&gt; &#60;b>",
    "\x1b[31mred\x07",
    "x" * 300,
)
BROKEN = "half a pair \ud83d, and a noncharacter \ufffe"

Skill = Callable[[Item], float]


@dataclass(frozen=True)
class Asked:
    """A judge that names the right response with the probability `skill`; gives no verdict, one on
    a part of the text, or no answer at all with those of `fails`, `cuts`, `silent`; and costs `usd`
    a call."""

    card: JudgeCard
    skill: Skill | float
    fails: float = 0.0
    cuts: float = 0.0
    silent: float = 0.0
    usd: float | None = None


def pairs(task: str, domains: Sequence[str], number: int, annotators: int = 3) -> list[Item]:
    """So many pairs, two to a prompt, domain by domain in turn."""
    draw = random.Random(task)
    return [_pair(task, domains[n // 2 % len(domains)], n, annotators, draw) for n in range(number)]


def _pair(task: str, domain: str, n: int, annotators: int, draw: random.Random) -> Item:
    truth = draw.randrange(2)
    votes = [truth if draw.random() < 0.9 else 1 - truth for _ in range(annotators)]
    return Item(
        f"{task} {n}",
        task,
        domain,
        (Message("user", f"{task}: question {n // 2}"),),
        tuple(Response(f"r{k}", f"{n} {'word ' * draw.randint(1, 30)}") for k in range(2)),
        tuple(Label(f"w{k}", (float(v == 0), float(v == 1))) for k, v in enumerate(votes)),
    )


def card(name: str, **more: object) -> JudgeCard:
    """A judge, known by its name."""
    values: dict[str, object] = {"kind": "probe", "trained": True, "settings": {"name": name}}
    return JudgeCard(name, protocols=("pairwise",), **{**values, **more})  # type: ignore[arg-type]


def made(
    folder: Path,
    items: Sequence[Item],
    judges: Sequence[Asked],
    overlaps: Sequence[TrainingOverlap] = (),
) -> tuple[Path, dict[str, pd.DataFrame]]:
    """The page of a run, and its tables."""
    cards = [asked.card for asked in judges]
    tasks = tuple(dict.fromkeys(item.task for item in items))
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(tuple(c.name for c in cards), tasks), items, cards, overlaps)
        for asked in judges:
            answers = list(_answers(asked, items))
            ledger.append(answers)
            ledger.add_session(asked.card.name, 1_700_000_000.0, 2.0, len(answers), None)
    with Ledger(folder / "ledger.sqlite") as ledger:
        tables = build(ledger)
        return write(ledger, tables, folder), tables


def _answers(asked: Asked, items: Sequence[Item]) -> Iterator[Verdict]:
    draw = random.Random(asked.card.name)
    usage = Usage(cost_usd=asked.usd)
    for i, trial in trials(items, asked.card):
        item = items[i]
        skill = asked.skill(item) if callable(asked.skill) else asked.skill
        if draw.random() < asked.silent:
            continue
        if draw.random() < asked.fails:
            yield failure(trial, Status.REFUSED, usage=usage)
            continue
        right = max(range(2), key=lambda k: item.labels[0].utilities[k]) if item.labels else 0
        best = right if draw.random() < skill else 1 - right
        cut = draw.random() < asked.cuts
        yield verdict(trial, [float(k == best) for k in trial.order], usage=usage, cut=cut)


def null(name: str = "longest") -> JudgeCard:
    """A judge that costs nothing."""
    return card(name, kind="null", trained=False)


def prompted(name: str, **more: object) -> JudgeCard:
    """A large judge."""
    return card(name, kind="prompted", trained=False, **more)


def ordinary(folder: Path, number: int = 240) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Two tasks, three domains, one of them in both; small judges better at code, large ones at
    chat; failures, costs and sizes of some."""
    items = [
        *pairs("first task", ("chat", "code"), number),
        *pairs("second task", ("math", "code"), number),
    ]
    small = card("small", parameters=135_000_000)
    judges = [
        Asked(small, lambda i: 0.95 if i.domain == "code" else 0.6, usd=0.00001),
        Asked(card("tiny", parameters=9_000_000), 0.55),
        Asked(prompted("large"), lambda i: 0.7 if i.domain == "code" else 0.9, usd=0.002),
        Asked(prompted("shaky"), 0.7, fails=0.15),
        Asked(null(), 0.5),
    ]
    return made(folder, items, judges)


def hostile(folder: Path) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Hostile names of judges, tasks, domains, training sets; a hostile and broken manifest."""
    kinds = (card, prompted, null)
    judges = [Asked(kinds[n % 3](name), 0.6 + 0.02 * n) for n, name in enumerate(HOSTILE)]
    items = [
        item
        for n in range(0, len(HOSTILE), 4)
        for item in pairs(HOSTILE[n], HOSTILE[n : n + 4], 24, 1)
    ]
    overlaps = [TrainingOverlap(HOSTILE[0], name, {0: "prompt"}, name) for name in HOSTILE]
    manifest = {
        "sessions": [{"hardware": {"processor": HOSTILE[3], "gpu": BROKEN}}],
        "tasks": [{"name": BROKEN, "title": HOSTILE[0], "url": HOSTILE[4], "traps": [*HOSTILE]}],
        "price_date": HOSTILE[1],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return made(folder, items, judges, overlaps)
