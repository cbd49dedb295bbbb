"""The matrix of judges trained on one set and tested on another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import Item, JudgeCard, verdict
from reports.tables import build

TASKS = ("cooking", "chess")
RIGHT = {("cooking", "cooking"): 9, ("cooking", "chess"): 5, ("chess", "cooking"): 4,
         ("chess", "chess"): 8}  # fmt: skip
"""(trained on, tested on) -> right verdicts of ten."""


def card(trained_on: str, model: str = "m") -> JudgeCard:
    name = f"{model}-{trained_on}"
    return JudgeCard(
        name,
        "probe",
        ("pointwise",),
        order_free=True,
        model=model,
        revision=name,
        trained=True,
        trained_on=(trained_on,),
    )


def tables(folder: Path, items: list[Item], cards: list[JudgeCard]) -> dict[str, pd.DataFrame]:
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(tuple(c.name for c in cards), TASKS), items, cards)
        for judge in cards:
            ledger.append(
                verdict(t, [_utility(items[index], judge, t.order[0])])
                for index, t in trials(items, judge)
            )
        return build(ledger)


def _utility(item: Item, judge: JudgeCard, response: int) -> float:
    number = int(item.id.rpartition("-")[2])
    right = number < RIGHT.get((judge.trained_on[0], item.task), 10)
    return float((response == 0) == right)


@pytest.fixture
def items(make_item) -> list[Item]:
    return [
        replace(
            make_item(n), id=f"{task}-{n}", task=task, prompt=(make_item(f"{task} {n}").prompt[0],)
        )
        for task in TASKS
        for n in range(10)
    ]


def test_every_judge_is_beside_the_one_that_is_at_home(items, tmp_path: Path) -> None:
    cards = [card("cooking"), card("chess"), card("chess", "another")]
    table = tables(tmp_path, items, cards)["transfer"].set_index(["judge", "task"])
    assert len(table) == 6
    for (trained_on, task), right in RIGHT.items():
        row = table.loc[f"m-{trained_on}", task]
        assert row["mean"] == pytest.approx(right / 10)
        assert row.at_home == (trained_on == task)
        if trained_on == task:
            assert row.loss_status == "not_applicable"
        else:
            lost = (RIGHT[task, task] - right) / 10
            assert row.loss == pytest.approx(lost)
            assert row.loss_lo <= lost <= row.loss_hi
    # Nobody of its model was trained on cooking: there is nothing to lose against.
    assert table.loc["another-chess", "cooking"].loss_status == "not_applicable"


def test_one_training_set_or_an_unknown_one_makes_no_matrix(items, tmp_path: Path) -> None:
    cards = [card("cooking"), card("elsewhere")]
    assert tables(tmp_path, items, cards)["transfer"].empty
