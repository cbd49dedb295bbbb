"""Rules, calibration and data tables, each on verdicts whose right answer is known."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import JudgeCard, Label, Message, Status, failure, verdict
from reports.tables import build

PAIRWISE = JudgeCard("j", "made", ("pairwise",), settings={"x": 1})


def tables_of(folder, items, answer, card=PAIRWISE):
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan((card.name,), ("made",)), items, [card])
        ledger.append([answer(i, trial) for i, trial in trials(items, card)])
        return build(ledger)


def picks(trial, response, **more):
    return verdict(trial, [float(k == response) for k in trial.order], **more)


def rule(tables, rule, policy="wrong", scope="pooled"):
    found = tables["rules"].set_index(["scope", "rule", "policy"])
    return found.loc[(scope, rule, policy)]


def test_one_ledger_under_every_rule(tmp_path, make_item) -> None:
    """Of ten pairs five are right in both orders, three wrong in both, two follow the position."""
    items = [make_item(i) for i in range(10)]

    def answer(i, trial):
        return picks(trial, 0 if i < 5 else 1 if i < 8 else trial.order[0])

    tables = tables_of(tmp_path, items, answer)
    scores = {name: rule(tables, name).score for name in ("mean", "strict", "tie", "net_vote")}
    assert scores == {"mean": 0.6, "strict": 0.5, "tie": 0.6, "net_vote": 0.5}
    assert rule(tables, "first").score == pytest.approx(0.7)
    decisive = rule(tables, "decisive")
    assert (decisive.score, decisive.coverage, decisive.n_items) == (5 / 8, 0.8, 10)
    assert set(tables["rules"].policy) == {"wrong"}, "no failure, one policy"


def test_policies_differ_where_verdicts_failed(tmp_path, make_item) -> None:
    items = [make_item(i, n=4) for i in range(10)]
    card = JudgeCard("j", "made", ("listwise",), settings={"x": 1})

    def answer(i, trial):
        return picks(trial, 0) if i < 5 else failure(trial, Status.UNPARSED)

    tables = tables_of(tmp_path, items, answer, card)
    scores = {p: rule(tables, "mean", p).score for p in ("wrong", "half", "chance", "drop")}
    assert scores == {"wrong": 0.5, "half": 0.75, "chance": 0.625, "drop": 1.0}
    assert rule(tables, "mean", "drop").coverage == 0.5


def test_confidence_that_is_right_is_calibrated(tmp_path, make_item) -> None:
    """Confidence .8 or .6, right as often as it says; a tenth of the verdicts has none."""
    draw = random.Random(2)
    items = [make_item(i) for i in range(3000)]
    sure = [draw.choice((0.8, 0.6)) for _ in items]
    right = [draw.random() < c for c in sure]

    def answer(i, trial):
        pick = 0 if right[i] else 1
        return picks(trial, pick, confidence=None if i % 10 == 0 else sure[i])

    row = tables_of(tmp_path, items, answer)["calibration"].iloc[0]
    assert row.coverage == 0.9
    assert row.accuracy == pytest.approx(0.7, abs=0.03)
    assert row.overconfidence_lo < 0 < row.overconfidence_hi
    assert row.ece < 0.04
    assert row.brier == pytest.approx((0.16 + 0.24) / 2, abs=0.01)
    # P(.8 against .6, ties half) among right and wrong: 1/2 + (4/7 - 1/3) / 2
    assert row.auroc == pytest.approx(0.5 + (4 / 7 - 1 / 3) / 2, abs=0.03)


def test_confidence_in_the_wrong_is_overconfidence(tmp_path, make_item) -> None:
    items = [make_item(i) for i in range(100)]

    def answer(i, trial):  # sure of what it is shown first, so the orders cancel but for .01
        pick = trial.order[0]
        return picks(trial, pick, confidence=0.95 if pick == 1 else 0.94)

    row = tables_of(tmp_path, items, answer)["calibration"].iloc[0]
    assert row.accuracy == 0, "averaged over the orders it leans to the wrong one"
    assert row.overconfidence == pytest.approx(0.505)
    assert row.auroc_status == "degenerate"


def test_data_table_counts_what_there_is(tmp_path, make_item) -> None:
    prompt = (Message("user", "the same"),)
    tie, gold = Label("b", (0.0, 0.0)), Label("a", (1.0, 0.0))
    items = [make_item(i, prompt=prompt, labels=(gold, tie)) for i in range(4)]
    items.append(replace(items[0], id="again", responses=items[0].responses[::-1]))
    items.append(make_item(9, labels=(tie,)))
    items.append(make_item(10, labels=()))
    row = tables_of(tmp_path, items, lambda i, t: picks(t, i % 2))["data"].iloc[0]
    assert (row.n_items, row.n_prompts, row.n_pairs, row.n_duplicates) == (7, 3, 7, 1)
    assert (row.n_votes, row.n_annotators) == (11, 2)
    assert row.tied_votes == pytest.approx(6 / 11)
    assert (row.n_undecided_items, row.n_unlabelled) == (1, 1)
    assert row.n_effective_prompts == pytest.approx(49 / 27)


def test_items_of_a_prompt_that_are_alike_show_in_the_icc(tmp_path, make_item) -> None:
    draw = random.Random(0)
    easy = [draw.random() < 0.5 for _ in range(200)]
    items = [make_item(i, prompt=(Message("user", f"q{i // 5}"),)) for i in range(1000)]
    row = tables_of(tmp_path, items, lambda i, t: picks(t, 0 if easy[i // 5] else 1))["data"].iloc[
        0
    ]
    assert row.icc == pytest.approx(1)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    row = tables_of(mixed, items, lambda i, t: picks(t, int(draw.random() < 0.5)))["data"].iloc[1]
    assert row.icc_lo < 0.1 and row.icc < 0.1
    assert np.isfinite(row.icc_hi)


def test_unlabelled_items_have_verdicts_and_no_score(tmp_path, make_item) -> None:
    items = [make_item(i, labels=()) for i in range(40)]
    tables = tables_of(tmp_path, items, lambda i, t: picks(t, t.order[0]))
    row = tables["leaderboard"].iloc[0]
    assert row.mean_status == "not_applicable"
    assert row.n_items == 0
    assert np.isnan(row["mean"])
    assert tables["data"].iloc[0].n_unlabelled == 40
    assert tables["rules"].empty
