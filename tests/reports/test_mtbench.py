"""Setups S1 and S2 on small ledgers: against hand-counted cases, and against plain loops over the
votes that do as the authors' script does."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import Item, JudgeCard, Label, Message, Response, Status, failure, verdict
from reports.official import official_table
from reports.study import Study

CARD = JudgeCard("made", "made", ("pairwise",), sees=("text", "id"), revision="1")
VOTE = {"a": (1.0, 0.0), "b": (0.0, 1.0), "tie": (0.0, 0.0)}
Orders = Mapping[str, tuple[str, ...]]
"""Item id -> what the judge says of it, by content, in each order; "fail" and "lost" too."""


def item(name: str, turn: int, votes: Mapping[str, str], task: str = "mt_bench_human") -> Item:
    return Item(
        id=name,
        task=task,
        domain="chat",
        prompt=(Message("user", f"question {name[0]}"),),
        responses=(Response("a", f"{name} a"), Response("b", f"{name} b")),
        labels=tuple(Label(who, VOTE[vote]) for who, vote in votes.items()),
        meta={"turn": turn},
    )


def table(
    folder: Path, items: list[Item], orders: Orders, repeats: int = 1, card: JudgeCard = CARD
) -> pd.DataFrame:
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        plan = Plan((card.name,), ("mt_bench_human",), repeats=repeats)
        ledger.write_plan(plan, items, [card])
        made = []
        for _, trial in trials(items, card, repeats=repeats):
            says = orders[trial.item.id][2 * trial.repeat + trial.order[0]]
            if says == "fail":
                made.append(failure(trial, Status.UNPARSED))
            elif says != "lost":
                made.append(verdict(trial, [VOTE[says][i] for i in trial.order]))
        ledger.append(made)
        study = Study.of(ledger)
        rows = official_table(study)
        kept = [r for r in study.estimates.rows if str(r["metric"]).startswith("score_S")]
        assert [r["estimate"] for r in kept] == pytest.approx(list(rows["score"]), nan_ok=True)
    return rows.set_index(["group", "reading"])


ITEMS = [
    item("1", 1, {"expert_1": "a", "expert_2": "tie", "author_1": "b"}),
    item("2", 1, {"expert_1": "b", "expert_3": "b"}),
    item("3", 1, {"expert_1": "a", "author_1": "tie"}),
    item("1t", 2, {"expert_1": "a", "expert_2": "b"}),
]
ORDERS = {
    "1": ("a", "a"),  # verdict a
    "2": ("a", "b"),  # the orders disagree: a tie
    "3": ("tie", "a"),  # a tie and a win are no agreement either: a tie
    "1t": ("b", "b"),
}


def test_counted_by_hand(tmp_path: Path) -> None:
    found = table(tmp_path, ITEMS, ORDERS)
    # Turn 1, experts: a, tie (verdict a); b, b (a tie); a (a tie). Authors: b (a), tie (a tie).
    expected = {
        ("1", "S1 expert"): (1 / 5, 5, 3, 0),
        ("1", "S2 expert"): (1 / 1, 1, 1, 4),
        ("1", "S1 author"): (1 / 2, 2, 2, 0),
        ("1", "S2 author"): (0 / 1, 1, 1, 1),
        ("2", "S1 expert"): (1 / 2, 2, 1, 0),
        ("2", "S2 expert"): (1 / 2, 2, 1, 0),
    }
    assert list(found.index) == list(expected)
    columns = ["score", "n_items", "n_prompts", "n_missing"]
    assert [tuple(r) for r in found[columns].to_numpy()] == list(expected.values())
    assert set(found["scope"]) == {"turn"}
    assert set(found["task"]) == {"mt_bench_human"}


def test_a_failure_agrees_with_nobody_and_no_answer_is_missing(tmp_path: Path) -> None:
    found = table(tmp_path, ITEMS, {**ORDERS, "1": ("a", "fail"), "2": ("lost", "lost")})
    columns = ["score", "n_items", "n_missing"]
    # Item 1 is a failure (two votes of experts), item 2 without an answer (two), item 3 a tie.
    assert tuple(found.loc[("1", "S1 expert"), columns]) == (0, 3, 2)
    assert tuple(found.loc[("1", "S2 expert"), columns]) == (0, 1, 4)


def test_one_showing_is_the_verdict_itself(tmp_path: Path) -> None:
    """So GPT-4's recorded verdicts, which are of both orders already, are taken as they are."""
    card = JudgeCard("one", "made", ("pairwise",), orders="first", sees=("text", "id"))
    found = table(tmp_path, ITEMS, {"1": ("a",), "2": ("tie",), "3": ("a",), "1t": ("b",)}, 1, card)
    assert found.loc[("1", "S1 expert"), "score"] == 2 / 5
    assert found.loc[("1", "S2 expert"), "score"] == 1
    assert found.loc[("1", "S2 expert"), "n_items"] == 2


def test_repeats_are_averaged_and_count_once(tmp_path: Path) -> None:
    items = [item("1", 1, {"expert_1": "a"}), item("2", 1, {"expert_1": "b"})]
    orders = {"1": ("a", "a", "b", "b"), "2": ("b", "b", "a", "b")}
    found = table(tmp_path, items, orders, repeats=2)
    # Item 1 is right once of twice. Item 2 once, and once a tie: in S2 only the first counts.
    assert tuple(found.loc[("1", "S1 expert"), ["score", "n_items"]]) == (0.5, 2)
    assert tuple(found.loc[("1", "S2 expert"), ["score", "n_items"]]) == (0.75, 2)


def test_other_tasks_and_other_items_are_not_counted(tmp_path: Path) -> None:
    other = [item("1x", 1, {"expert_1": "a"}, task="other"), item("1y", 1, {})]
    found = table(tmp_path, [*ITEMS, *other], {**ORDERS, "1x": ("a", "a"), "1y": ("a", "a")})
    assert found.loc[("1", "S1 expert"), "n_items"] == 5


def test_as_plain_loops_over_the_votes(tmp_path: Path) -> None:
    draw = random.Random(4)
    words, items, orders = ("a", "b", "tie"), [], {}
    for n, turn in itertools.product(range(120), (1, 2)):
        people = draw.sample(["expert_1", "expert_2", "expert_3", "author_1"], draw.randint(1, 4))
        name = f"{n % 9}-{n}-{turn}"
        items.append(item(name, turn, {who: draw.choice(words) for who in people}))
        orders[name] = (draw.choice(words), draw.choice(words))
    found = table(tmp_path, items, orders)
    by_word = {utilities: word for word, utilities in VOTE.items()}
    for turn, kind, ban in itertools.product((1, 2), ("expert", "author"), ((), ("tie",))):
        agree = total = 0
        for made in items:
            one, two = orders[made.id]
            judge = one if one == two else "tie"
            if made.meta["turn"] != turn or judge in ban:
                continue
            for label in made.labels:
                vote = by_word[label.utilities]
                if label.annotator.startswith(kind) and vote not in ban:
                    total += 1
                    agree += vote == judge
        row = found.loc[(str(turn), f"{'S2' if ban else 'S1'} {kind}")]
        assert (row["score"], row["n_items"]) == (pytest.approx(agree / total), total)
        assert row["score_lo"] <= row["score"] <= row["score_hi"]


def test_votes_that_are_all_ties_leave_s2_undefined(tmp_path: Path) -> None:
    found = table(tmp_path, [item("1", 1, {"author_1": "tie"})], {"1": ("a", "a")})
    row = found.loc[("1", "S2 author")]
    assert math.isnan(row["score"])
    assert (row["score_status"], row["n_items"], row["n_missing"]) == ("insufficient", 0, 1)
