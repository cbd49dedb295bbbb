"""A run with judges whose skills, biases, confidences, sizes and costs are known."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import (
    Item,
    JudgeCard,
    Label,
    Message,
    Response,
    Status,
    Trial,
    Usage,
    Verdict,
    failure,
    verdict,
)
from reports.tables import build

TASKS = ("cooking", "chess")
DOMAINS = ("openings", "sauces", "endgames")
BOTH = ("pairwise",)


@dataclass(frozen=True)
class Known:
    """Probabilities of naming the right response, else what is shown first, else the longer one;
    `usd` for a call, NaN where it is not known."""

    card: JudgeCard
    skill: float
    first: float = 0.0
    longer: float = 0.0
    usd: float = math.nan


def judges(number: int) -> list[Known]:
    """So many judges, trained and prompted ones in turn, and two null judges beside them."""
    draw = random.Random(number)
    made = []
    for n in range(number):
        trained, size = n % 2 == 0, 10 ** draw.uniform(8, 11.5)
        name = (
            f"{'tuned' if trained else 'asked'}-{'abcdefghijklmnopqrstuvwxyz'[n]}-{size / 1e9:.2g}b"
        )
        card = JudgeCard(
            name,
            "probe" if trained else "prompted",
            BOTH,
            model=f"m{n // 4}",
            revision=name,
            trained=trained,
            trained_on=(TASKS[n // 2 % 2],) if trained else (),
            parameters=None if n == 3 else int(size),
            paid=not trained,
        )
        usd = math.nan if n == 5 else (2e-5 if trained else 3e-3) * draw.lognormvariate(0, 1.2)
        made.append(
            Known(card, draw.uniform(0.55, 0.9), draw.random() ** 2 * 0.4, draw.random() * 0.3, usd)
        )
    null = JudgeCard("first", "null", BOTH, settings={"first": 1})
    rulers = [
        Known(null, 0.0, 1.0),
        Known(replace(null, name="longest", settings={"long": 1}), 0.0, 0.0, 1.0),
    ]
    return [*made, *rulers]


def items(number: int) -> list[Item]:
    """So many pairs a task, three annotators each, two pairs a prompt."""
    draw = random.Random(7)
    return [_pair(task, n, draw) for task in TASKS for n in range(number)]


def _pair(task: str, n: int, draw: random.Random) -> Item:
    truth = draw.randrange(2)
    votes = [truth if draw.random() < 0.85 else 1 - truth for _ in range(3)]
    return Item(
        f"{task}-{n}",
        task,
        DOMAINS[n // 2 % 3],
        (Message("user", f"{task} question {n // 2}"),),
        tuple(Response(f"r{k}", f"{n} {'word ' * draw.randint(1, 30)}") for k in range(2)),
        tuple(Label(f"w{k}", (float(vote == 0), float(vote == 1))) for k, vote in enumerate(votes)),
    )


def tables(folder: Path, number: int, pairs: int = 90) -> dict[str, pd.DataFrame]:
    """Tables of a run of so many judges on so many pairs a task."""
    known, shown = judges(number), items(pairs)
    cards = [one.card for one in known]
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(tuple(card.name for card in cards), TASKS), shown, cards)
        for one in known:
            draw = random.Random(one.card.name)
            ledger.append(_answer(one, shown[i], t, draw) for i, t in trials(shown, one.card))
        return build(ledger)


def _answer(one: Known, item: Item, trial: Trial, draw: random.Random) -> Verdict:
    spent = one.usd * draw.uniform(0.5, 1.5)
    usage = Usage() if math.isnan(spent) else Usage(300, 0, 20, 0, 0.1, spent)
    if one.card.kind != "null" and draw.random() < 0.01:
        return failure(trial, Status.UNPARSED, usage=usage)
    right = max(range(2), key=lambda k: item.labels[0].utilities[k])
    lengths = [len(response.text) for response in item.responses]
    easy = draw.random()
    home = not one.card.trained or one.card.trained_on == (item.task,)
    if draw.random() < one.first:
        best = trial.order[0]
    elif draw.random() < one.longer:
        best = lengths.index(max(lengths))
    else:
        skill = (one.skill - (0.0 if home else 0.12)) * (0.6 + 0.8 * easy) / 1.0
        best = right if draw.random() < min(skill, 1) else 1 - right
    sure = None if one.card.kind == "null" else min(0.99, 0.5 + 0.5 * easy * draw.uniform(0.6, 1.1))
    return verdict(trial, [float(k == best) for k in trial.order], confidence=sure, usage=usage)
