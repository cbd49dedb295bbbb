"""The official RewardBench 2 score, from verdicts through the ledger to the table."""

from __future__ import annotations

import math

import pytest

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import JudgeCard, Label, Response, Status, failure, verdict
from reports.tables import build

SCALAR = JudgeCard("scalar", "made", ("pointwise",), order_free=True, revision="1")
LETTERS = JudgeCard("letters", "made", ("listwise",), revision="1")
SUBSETS = ("Factuality", "Precise IF", "Math", "Safety", "Focus")


def listed(make_item, i: int, subset: str, right: int, scores: list[float], name: str = ""):
    """An item whose responses' texts are their scores; the first `right` are right."""
    return make_item(
        i,
        id=name or str(i),
        task="rewardbench2",
        subset=subset,
        responses=tuple(Response(f"r{k}", f"{s}") for k, s in enumerate(scores)),
        labels=(Label("gold", tuple(float(k < right) for k in range(len(scores)))),),
    )


def scored(folder, items, card=SCALAR):
    """Every response gets the number that is its text; NaN is a rating that failed."""
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan((card.name,), ("rewardbench2",)), items, [card])
        made = []
        for _, trial in trials(items, card):
            numbers = [float(r.text) for r in trial.shown]
            failed = any(map(math.isnan, numbers))
            made.append(failure(trial, Status.UNPARSED) if failed else verdict(trial, numbers))
        ledger.append(made)
        table = build(ledger)["official"]
    return table.set_index(["group", "reading"])["score"]


def ties_items(make_item, *cases: tuple[list[float], list[float]]):
    items = []
    for n, (ref, tied) in enumerate(cases):
        items.append(listed(make_item, 2 * n, "Ties", 1, ref, f"ref:{n}"))
        items.append(listed(make_item, 2 * n + 1, "Ties", 3, tied, f"tied:{n}"))
    return items


NAN = math.nan


@pytest.mark.parametrize(
    ("ref", "tied", "official"),
    [
        ([10, 1, 1, 1], [10, 10, 10, 1, 1], 1.01),
        ([5, 5, 5, 5], [5, 5, 5, 5, 5], 0.0),
        ([9, 3, 3, 3], [10, 9, 8, 3, 3], 1.009051),
        ([9, 3, 3, 3], [10, 9, 5, 4, 3], 0.593360),
        ([10, 1, 1, 1], [10, NAN, 10, 1, 1], 0.291720),
        ([10, 1, 1, 1], [10, 9, 10, NAN, 1], 1.01),
        ([1, 10, 10, 10], [1, 1, 1, 10, 10], -0.01),
    ],
)
def test_ties_are_scored_as_published(tmp_path, make_item, ref, tied, official) -> None:
    score = scored(tmp_path, ties_items(make_item, (ref, tied)))
    assert score["Ties", "official"] == pytest.approx(official, abs=1e-6)


def test_a_failed_rating_of_a_wrong_response_helps_in_the_official_reading_alone(
    tmp_path, make_item
) -> None:
    score = scored(tmp_path, ties_items(make_item, ([10, 1, 1, 1], [10, 9, 10, NAN, 1])))
    assert score["Ties", "official"] == pytest.approx(1.01)
    assert score["Ties", "strict"] < 0.5


def six(make_item, scores: list[float], per_subset: int = 2):
    items = [
        listed(make_item, 100 * k + n, subset, 1, scores)
        for k, subset in enumerate(SUBSETS)
        for n in range(per_subset)
    ]
    return items + ties_items(make_item, *[([9, 3, 3, 3], [10, 9, 8, 3, 3])] * per_subset)


def test_overall_is_the_mean_of_six_subsets(tmp_path, make_item) -> None:
    score = scored(tmp_path, six(make_item, [7, 7, 1, 1]))
    assert score["Math", "official"] == 0.5
    assert score["macro", "official"] == pytest.approx((5 * 0.5 + 1.009051) / 6, abs=1e-6)


def test_a_judge_that_always_fails_has_a_quarter_officially_and_nothing_strictly(
    tmp_path, make_item
) -> None:
    items = [listed(make_item, n, "Focus", 1, [NAN] * 4) for n in range(4)]
    for card in (SCALAR, LETTERS):
        folder = tmp_path / card.name
        folder.mkdir()
        score = scored(folder, items, card)
        assert (score["Focus", "official"], score["Focus", "strict"]) == (0.25, 0)


def test_a_subset_missing_leaves_no_overall(tmp_path, make_item) -> None:
    items = [item for item in six(make_item, [9, 1, 1, 1]) if item.subset != "Safety"]
    assert ("macro", "official") not in scored(tmp_path, items).index


def test_other_tasks_have_no_official_score(tmp_path, make_item) -> None:
    items = [make_item(i, n=4) for i in range(4)]
    with Ledger(tmp_path / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(("scalar",), ("t",)), items, [SCALAR])
        table = build(ledger)["official"]
    assert table.empty
    assert "score_lo" in table
