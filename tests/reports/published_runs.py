"""Ledgers of pairs with known labels and known verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import Item, JudgeCard, Label, Status, failure, verdict

VOTE = {"a": (1.0, 0.0), "tie": (0.0, 0.0), "b": (0.0, 1.0)}
CARD = JudgeCard("made", "made", ("pairwise",), sees=("text", "id"), revision="1")


def ledger(folder: Path, items: Sequence[Item], says: Sequence[Sequence[str]]) -> Ledger:
    """`says`: of every item, the content that each order's verdict names, "fail" or "lost"."""
    with Ledger(folder / "ledger.sqlite", write=True) as written:
        written.write_plan(Plan((CARD.name,), ("made",)), list(items), [CARD])
        of = {item.id: row for item, row in zip(items, says, strict=True)}
        verdicts = []
        for _, trial in trials(list(items), CARD):
            said = of[trial.item.id][trial.order[0]]
            if said == "fail":
                verdicts.append(failure(trial, Status.UNPARSED))
            elif said != "lost":
                verdicts.append(verdict(trial, [VOTE[said][i] for i in trial.order]))
        written.append(verdicts)
    return Ledger(folder / "ledger.sqlite")


def labelled(make_item, *votes: Sequence[str]) -> list[Item]:
    """Pairs of different prompts with these votes."""
    return [
        make_item(i, labels=tuple(Label(f"w{n}", VOTE[v]) for n, v in enumerate(of_item)))
        for i, of_item in enumerate(votes)
    ]
