"""Rules, calibration and data tables, each on verdicts whose right answer is known."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import JudgeCard, Label, Message, Response, Status, failure, verdict
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


def test_biases_are_found_where_they_were_planted(tmp_path, make_item) -> None:
    """Humans prefer the longer response in half of the pairs, the judge in three of four; it sides
    with its family in four of five, humans in half."""
    draw = random.Random(4)
    items, longer, kin = [], [], []
    for i in range(2000):
        longer.append(draw.randrange(2))
        kin.append(draw.randrange(2))
        right = draw.randrange(2)
        texts = ["x" * draw.randint(10, 40) for _ in range(2)]
        texts[longer[i]] += "y" * 60
        models = ["other-1", "org/Kin-7b"] if kin[i] else ["org/Kin-7b", "other-1"]
        responses = tuple(Response(f"r{k}", f"{i} {texts[k]}", models[k]) for k in range(2))
        items.append(make_item(i, right=right, responses=responses))

    def long(i, trial):
        return picks(trial, longer[i] if i % 2 else items[i].labels[0].utilities.index(1.0))

    bias = tables_of(tmp_path, items, long)["bias"].set_index("scope").loc["pooled"]
    assert bias.longer == pytest.approx(0.75, abs=0.03)
    assert bias.longer_human_lo < 0.5 < bias.longer_human_hi
    assert bias.longer_excess_lo > 0.2
    assert bias.length_effect_excess_lo > 0.1
    assert bias.length_gap == pytest.approx(0.5, abs=0.05)
    assert bias.balanced_agreement == pytest.approx(0.75, abs=0.03)
    assert bias.style_chars_excess_lo > 0.1
    assert bias.style_headings_excess_status == "degenerate"
    assert bias.family_status == "not_applicable", "its card names no family"

    def loyal(i, trial):
        return picks(trial, kin[i] if i % 5 else 1 - kin[i])

    card = JudgeCard("j", "made", ("pairwise",), settings={"x": 1}, families=("kin",))
    again = tmp_path / "loyal"
    again.mkdir()
    bias = tables_of(again, items, loyal, card)["bias"].set_index("scope").loc["pooled"]
    assert bias.family == pytest.approx(0.2 + 0.6 * 1, abs=0.01)
    assert bias.family_human_lo < 0.5 < bias.family_human_hi
    assert bias.family_excess_lo > 0.2
    assert bias.family_gap == pytest.approx(0.6, abs=0.06)
    assert bias.longer_excess_lo < 0 < bias.longer_excess_hi


def test_position_table_counts_patterns_and_what_repeats_explain(tmp_path, make_item) -> None:
    """A coin flips as often between the orders as it does in one; a judge of slots does not."""
    draw = random.Random(7)
    items = [make_item(i) for i in range(400)]
    for name, pick in (("coin", lambda t: draw.randrange(2)), ("slot", lambda t: t.order[0])):
        folder = tmp_path / name
        folder.mkdir()
        with Ledger(folder / "ledger.sqlite", write=True) as ledger:
            ledger.write_plan(Plan(("j",), ("made",), repeats=3), items, [PAIRWISE])
            planned = trials(items, PAIRWISE, repeats=3)
            ledger.append([picks(t, pick(t)) for _, t in planned])
            row = build(ledger)["position"].set_index("scope").loc["pooled"]
        assert row.n_pairs == 1200
        if name == "coin":
            assert row.flip_rate == pytest.approx(0.5, abs=0.05)
            assert row.excess_flip_lo < 0 < row.excess_flip_hi
            assert row.FF + row.SS + row.FS + row.SF == 1200
        else:
            assert (row.flip_rate, row.first_slot, row.excess_flip, row.FF) == (1, 1, 1, 1200)
            assert row.sign_p < 1e-9


def test_slots_of_lists(tmp_path, make_item) -> None:
    """Half of the verdicts go to the second slot, the rest to the right response."""
    items = [make_item(i, n=4) for i in range(200)]
    card = JudgeCard("j", "made", ("listwise",), settings={"x": 1})

    def answer(i, trial):
        return picks(trial, trial.order[1] if i % 2 else 0)

    slots = tables_of(tmp_path, items, answer, card)["slots"].set_index("slot")
    assert slots.share.tolist() == pytest.approx([0.125, 0.625, 0.125, 0.125])
    assert slots.p.max() < 1e-9
    assert slots.n_responses.unique().tolist() == [4]


def test_cycles_of_writers(tmp_path, make_item) -> None:
    """Three writers, a beats b beats c; at every fourth prompt c beats a."""
    items, winners = [], []
    for prompt in range(40):
        for x, y in (("a", "b"), ("b", "c"), ("a", "c")):
            responses = (Response("0", f"{prompt} {x}", x), Response("1", f"{prompt} {y}", y))
            message = (Message("user", f"q{prompt}"),)
            items.append(make_item(len(items), prompt=message, responses=responses))
            winners.append(int((x, y) == ("a", "c") and prompt % 4 == 0))
    tables = tables_of(tmp_path, items, lambda i, t: picks(t, winners[i]))
    row = tables["transitivity"].iloc[0]
    assert (row.cycle, row.order, row.n_incomplete) == (10, 30, 0)
    assert row.cycles == 0.25
    assert row.cycles_lo < 0.25 < row.cycles_hi


def voted(make_item, n: int, accuracy: float, seed: int = 3):
    """n pairs whose response 0 is right, labelled by three people of that accuracy."""
    draw = random.Random(seed)
    items = []
    for i in range(n):
        votes = [float(draw.random() < accuracy) for _ in range(3)]
        labels = tuple(Label(f"w{k}", (v, 1 - v)) for k, v in enumerate(votes))
        items.append(make_item(i, labels=labels))
    return items


def test_a_judge_as_good_as_people_may_replace_them(tmp_path, make_item) -> None:
    draw = random.Random(11)
    items = voted(make_item, 600, 0.85)
    rows = {}
    for name, accuracy in (("like them", 0.85), ("coin", 0.5)):
        right = [draw.random() < accuracy for _ in items]
        folder = tmp_path / name
        folder.mkdir()
        tables = tables_of(folder, items, lambda i, t, right=right: picks(t, 0 if right[i] else 1))
        rows[name] = tables["people"].set_index("scope").loc["pooled"]
    good, coin = rows["like them"], rows["coin"]
    assert good["alt_omega_0.1"] == 1
    assert coin["alt_omega_0.2"] == 0
    assert good.kappa_difference_lo < 0 < good.kappa_difference_hi
    assert coin.kappa_difference_hi < 0
    assert good.majority_of_rest == pytest.approx(good.human_majority_of_rest, abs=0.04)
    assert coin.majority_of_rest_lo < 0.5 < coin.majority_of_rest_hi
    # Two of three votes sort, the third scores: it is right in .85 whatever the others said.
    for stratum in ("unanimous", "split"):
        lo, hi = good[f"judge_{stratum}_lo"], good[f"judge_{stratum}_hi"]
        assert lo < 0.85**2 + 0.15**2 < hi
    assert good.human_unanimous > good.judge_unanimous, "people are unanimous where it is easy"
    assert good.share_majority == 0, "two votes have no majority"
    assert good.n_annotators == 3


def test_one_annotator_gives_no_row_about_people(tmp_path, make_item) -> None:
    items = [make_item(i) for i in range(40)]
    assert tables_of(tmp_path, items, lambda i, t: picks(t, 0))["people"].empty
