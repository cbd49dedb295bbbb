"""The instrument tests itself: what is planted must be found, within the tables' own intervals."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.registry import make_judge
from bench.runner import Limits, carry_out
from bench.spec import parse_specs
from bench.stats import beta_ceiling
from bench.types import (
    Context,
    Item,
    JudgeCard,
    Label,
    Message,
    Response,
    Status,
    Usage,
    failure,
    verdict,
)
from reports.render import files
from reports.tables import build
from reports.terminal import WIDTH, show


def pairs(n: int, prompts: int, domains: int = 2) -> list[Item]:
    """n pairs over `prompts` prompts; the longer response is right half of the time."""
    draw = random.Random(5)
    items = []
    for i in range(n):
        right, longer = draw.randrange(2), draw.randrange(2)
        texts = [f"{i} short", f"{i} short"]
        texts[longer] += " and then some"
        items.append(
            Item(
                f"{i}",
                "made",
                f"domain {i % prompts % domains}",
                (Message("user", f"prompt {i % prompts}"),),
                (Response("a", texts[0]), Response("b", texts[1])),
                (Label("gold", (float(right == 0), float(right == 1))),),
            )
        )
    return items


def tables_of(folder: Path, items: list[Item], judges: str) -> dict[str, pd.DataFrame]:
    made = [make_judge(spec, Context(seed=3)) for spec in parse_specs(judges)]
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        plan = Plan(tuple(judge.card.name for judge in made), ("made",))
        ledger.write_plan(plan, items, [judge.card for judge in made])
        carry_out(items, made, ledger, repeats=1, limits=Limits(), show=lambda _: None)
        return build(ledger)


def expected(acc=0.8, first=0.0, long=0.0, tie=0.0, fail=0.0) -> dict[str, float]:
    """Closed form of the planted mixture, the longer response being right half of the time."""
    rest = (1 - fail) * (1 - tie)
    by_label = rest * (1 - first) * (1 - long)
    by_length = rest * (1 - first) * long
    # Per pattern (right response is first or not, long or not): P(right), P(picks the first slot).
    wins = {}
    for is_first in (True, False):
        for is_long in (True, False):
            p = rest * first * is_first + by_length * is_long + by_label * acc
            wins[is_first, is_long] = p
    tied = (1 - fail) * tie
    mean = np.mean(list(wins.values())) + tied / 2
    strict = np.mean([wins[True, long] * wins[False, long] for long in (True, False)])
    flips = []
    for is_long in (True, False):
        # Verdict of each order: right, tie, wrong, given that both hold a verdict.
        a, b = (
            np.array([wins[f, is_long], tied, rest - wins[f, is_long]]) / (1 - fail)
            for f in (True, False)
        )
        flips.append(1 - (a * b).sum())
    first_slot = (rest * first + (rest - rest * first) / 2 + tied / 2) / (1 - fail)
    return {
        "mean": mean,
        "strict": strict,
        "flip_rate": np.mean(flips),
        "first_slot": first_slot,
        "unparsed": fail,
    }


PLANTED = [
    {"acc": 0.8},
    {"acc": 0.5},
    {"acc": 0.9, "first": 0.3},
    {"acc": 0.7, "long": 0.4},
    {"acc": 0.8, "tie": 0.2},
    {"acc": 0.9, "fail": 0.1},
    {"acc": 0.75, "first": 0.2, "long": 0.2, "tie": 0.1, "fail": 0.05},
]


def spec(knobs: dict[str, float]) -> str:
    return "planted:" + ",".join(f"{k}={v}" for k, v in knobs.items())


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> dict[str, pd.DataFrame]:
    judges = ",".join([*map(spec, PLANTED), "random", "first", "longest", "shortest"])
    return tables_of(tmp_path_factory.mktemp("planted"), pairs(4000, 1000), judges)


def whole(tables: dict[str, pd.DataFrame], name: str, scope: str) -> pd.DataFrame:
    """The rows of one scope by judge, without the columns that all tables begin with."""
    table = tables[name]
    mine = table[table.scope == scope].set_index("judge")
    return mine.drop(columns=["task", "scope", "group", "n_prompts"])


def test_what_was_planted_is_found_within_its_interval(planted) -> None:
    """28 intervals of 95 %: one or two may miss the truth, none by much."""
    overall = whole(planted, "leaderboard", "overall").join(whole(planted, "position", "pooled"))
    outside = []
    for knobs in PLANTED:
        row = overall.loc[spec(knobs)]
        truths = expected(**knobs)
        assert row.unparsed == pytest.approx(truths.pop("unparsed"), abs=0.012)
        for metric, truth in truths.items():
            lo, hi = row[f"{metric}_lo"], row[f"{metric}_hi"]
            assert hi - lo < 0.06
            if not lo <= truth <= hi:
                outside.append((spec(knobs), metric))
                assert lo - 0.01 < truth < hi + 0.01, (knobs, metric, truth, lo, hi)
    assert len(outside) <= 4, outside


def test_a_planted_love_of_length_shows_where_the_longer_response_is_wrong(planted) -> None:
    """It costs accuracy against the same judge without it, and both beat the length rulers."""
    results = planted["leaderboard"]
    overall = results[results.scope == "overall"].set_index("judge")
    biased, longest = overall.loc[spec({"acc": 0.7, "long": 0.4})], overall.loc["longest"]
    assert biased["mean"] == pytest.approx(0.6 * 0.7 + 0.4 * longest["mean"], abs=0.02)


def test_the_best_null_judge_is_beaten_by_skill_and_not_by_a_coin(planted) -> None:
    pairs_table = planted["pairs"]
    overall = pairs_table[(pairs_table.scope == "overall") & (pairs_table.why == "best null judge")]
    assert len(overall) == len(PLANTED)
    assert overall[overall.judge == spec({"acc": 0.8})].difference_lo.iloc[0] > 0.2
    coin = overall[overall.judge == spec({"acc": 0.5})].iloc[0]
    assert coin.difference_lo < 0 < coin.difference_hi


def test_null_judges_are_what_they_are(planted) -> None:
    results = planted["leaderboard"]
    overall = results[results.scope == "overall"].set_index("judge")
    swaps = whole(planted, "position", "pooled")
    assert swaps.loc["first", "flip_rate"] == swaps.loc["first", "first_slot"] == 1
    assert "longest" not in swaps.index, "the order cannot matter to it"
    assert overall.loc["first", "mean"] == 0.5
    assert overall.loc["first", "strict"] == 0
    assert overall.loc["longest", "mean"] + overall.loc["shortest", "mean"] == pytest.approx(1)
    assert overall.loc["random", "mean_lo"] < 0.5 < overall.loc["random", "mean_hi"]


def test_kappa_is_twice_the_accuracy_less_one_without_ties(planted) -> None:
    domains = planted["domains"]
    row = domains[domains.judge == spec({"acc": 0.8})].iloc[0]
    assert row.kappa == pytest.approx(2 * row["mean"] - 1, abs=1e-9)


def test_overall_is_the_unweighted_mean_of_domains(planted) -> None:
    domains, overall = (
        planted[name].set_index(["scope", "judge"])["mean"] for name in ("domains", "leaderboard")
    )
    mine = domains["domain", spec({"acc": 0.8})]
    assert len(mine) == 2
    assert overall["overall", spec({"acc": 0.8})] == pytest.approx(mine.mean())


def test_bounds_hold_the_score_and_are_as_far_apart_as_failures(planted) -> None:
    row = (
        planted["leaderboard"]
        .set_index(["scope", "judge"])
        .loc[("overall", spec({"acc": 0.9, "fail": 0.1}))]
    )
    assert row.mean_if_failures_wrong == pytest.approx(row["mean"])
    assert row.mean_if_failures_right - row.mean_if_failures_wrong == pytest.approx(
        row.unparsed, abs=0.005
    )


def test_files_are_the_same_bytes_again(planted, tmp_path: Path) -> None:
    judges = ",".join([*map(spec, PLANTED), "random", "first", "longest", "shortest"])
    again = tables_of(tmp_path, pairs(4000, 1000), judges)
    first, second = files(planted), files(again)
    assert first.keys() == second.keys()
    assert {n for n in first if first[n] != second[n]} <= {
        f"cost.{e}" for e in ("csv", "json", "md", "parquet", "tex")
    }


def test_several_annotators_set_a_ceiling(tmp_path: Path) -> None:
    """Three annotators who are right with probability .8 each: they agree in .68 of pairs."""
    draw = random.Random(1)
    items = []
    for item in pairs(3000, 3000, 1):
        truth = item.labels[0].utilities
        votes = [truth if draw.random() < 0.8 else truth[::-1] for _ in range(3)]
        labels = tuple(Label(f"w{i}", v) for i, v in enumerate(votes))
        items.append(Item(item.id, item.task, item.domain, item.prompt, item.responses, labels))
    tables = tables_of(tmp_path, items, "planted:acc=1,random,longest")
    labels = tables["data"].iloc[0]
    assert labels.human_agreement == pytest.approx(0.68, abs=0.02)
    assert len(tables["annotators"]) == 3
    assert tables["annotators"].agreement.mean() == pytest.approx(0.68, abs=0.02)
    share = tables["domains"].set_index(["scope", "judge"])["ceiling_share"]
    # It knows the first annotator's vote: right against it, and in .68 against the two others.
    credit = (1 + 2 * 0.68) / 3
    best = float(beta_ceiling(0.68))
    expected_share = (credit - 0.5) / (best - 0.5)
    assert share["domain", "planted:acc=1"] == pytest.approx(expected_share, abs=0.08)
    assert abs(share["domain", "longest"]) < 0.15


def test_lists_with_several_right_answers_and_pointwise_judges(tmp_path: Path, make_item) -> None:
    """The longest of four; two of them right; chance 1/2."""
    items = [
        make_item(
            i,
            n=4,
            responses=tuple(Response(f"r{k}", "x" * (1 + (k == i % 4))) for k in range(4)),
            labels=(Label("gold", (1.0, 1.0, 0.0, 0.0)),),
        )
        for i in range(40)
    ]
    tables = tables_of(tmp_path, items, "longest,first,random")
    overall = tables["leaderboard"].set_index(["scope", "judge"])
    assert overall.loc[("overall", "longest"), "mean"] == 0.5
    assert overall.loc[("overall", "first"), "mean"] == 0.5, "a Latin square: every slot equally"
    assert overall.loc[("overall", "longest"), "kappa_status"] == "not_applicable"
    assert tables["data"].chance.iloc[0] == 0.5


def test_missing_answers_are_not_scored_as_weakness(tmp_path: Path) -> None:
    items = pairs(200, 200, 1)
    judge = make_judge(parse_specs("planted:acc=1")[0], Context())
    with Ledger(tmp_path / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(("p",), ("made",)), items, [judge.card])
        verdicts = []
        for i, trial in trials(items, judge.card):
            right = int(items[i].labels[0].utilities[1] == 1)
            if i < 20:
                verdicts.append(failure(trial, Status.ERROR))
            elif i < 190:
                verdicts.append(verdict(trial, [float(k == right) for k in trial.order]))
        ledger.append(verdicts)
        row = build(ledger)["leaderboard"].iloc[0]
    assert row["mean"] == 1
    assert row.n_missing == 30
    assert (row.error, row.not_run) == (0.1, 0.05)
    assert row.mean_if_failures_wrong == pytest.approx(0.85)


def run_of(folder: Path, items: list[Item], card: JudgeCard, answer, repeats: int = 1):
    """Tables of one judge whose verdicts the test makes: answer(item index, trial)."""
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan((card.name,), ("made",), repeats=repeats), items, [card])
        ledger.append([answer(i, trial) for i, trial in trials(items, card, repeats=repeats)])
        return build(ledger)


PAIRWISE = JudgeCard("j", "k", ("pairwise",), settings={"x": 1})


def right(items: list[Item]):
    def answer(i: int, trial):
        best = int(items[i].labels[0].utilities[1] == 1)
        return verdict(trial, [float(k == best) for k in trial.order])

    return answer


def test_a_domain_that_nobody_decided_does_not_blank_the_overall_row(
    tmp_path: Path, make_item
) -> None:
    items = [make_item(i, domain="big") for i in range(39)]
    items.append(make_item(99, domain="tiny", labels=(Label("gold", (0.0, 0.0)),)))
    tables = run_of(tmp_path, items, PAIRWISE, right(items))
    overall = tables["leaderboard"].set_index("scope").loc["overall"]
    assert overall["mean"] == overall.kappa == 1
    assert overall.n_items == 39


def test_failed_repeats_are_failures(tmp_path: Path, make_item) -> None:
    items = [make_item(i) for i in range(30)]
    good = right(items)

    def answer(i: int, trial):
        return failure(trial, Status.UNPARSED) if trial.repeat else good(i, trial)

    row = run_of(tmp_path, items, PAIRWISE, answer, repeats=4)["leaderboard"].iloc[0]
    assert row["mean"] == 0.25
    assert row.unparsed == 0.75
    assert (row.mean_if_failures_wrong, row.mean_if_failures_right) == (0.25, 1.0)


def test_the_upper_bound_is_one_that_a_verdict_could_reach(tmp_path: Path, make_item) -> None:
    """Two annotators who disagree: no verdict can be right for both."""
    labels = (Label("a", (1.0, 0.0)), Label("b", (0.0, 1.0)))
    items = [make_item(i, labels=labels) for i in range(30)]
    tables = run_of(tmp_path, items, PAIRWISE, lambda i, t: failure(t, Status.REFUSED))
    row = tables["leaderboard"].iloc[0]
    assert (row.mean_if_failures_wrong, row.mean_if_failures_right) == (0.0, 0.5)


def test_a_recording_of_one_order_has_no_strict_score(tmp_path: Path, make_item) -> None:
    items = [make_item(i) for i in range(30)]
    card = JudgeCard("j", "replay", ("pairwise",), orders="first", revision="1")
    tables = run_of(tmp_path, items, card, right(items))
    row = tables["leaderboard"].iloc[0]
    assert row["mean"] == 1
    assert row.strict_status == "not_applicable"
    assert tables["position"].empty


def test_chance_and_scores_are_averaged_alike(tmp_path: Path, make_item) -> None:
    """90 pairs in one domain, 10 lists of four in another: a judge of ties is at chance."""
    items = [make_item(i, domain="pairs") for i in range(90)]
    items += [make_item(i, n=4, domain="lists") for i in range(100, 110)]
    card = JudgeCard("j", "k", ("pairwise", "listwise"), revision="1")
    tables = run_of(tmp_path, items, card, lambda i, t: verdict(t, [0.0] * len(t.order)))
    assert tables["leaderboard"]["mean"].iloc[0] == tables["data"].chance.iloc[0] == 0.375


def test_usage_counts_answers_and_knows_what_it_does_not_know(tmp_path: Path, make_item) -> None:
    items = [make_item(i) for i in range(10)]
    card = JudgeCard("j", "k", ("pairwise",), revision="1")
    known = Usage(prompt_tokens=100, cost_usd=0.01)
    with Ledger(tmp_path / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(("j",), ("made",)), items, [card])
        planned = [t for _, t in trials(items, card)]
        for _ in range(3):
            ledger.append([failure(t, Status.ERROR) for t in planned])
        half = [verdict(t, [1.0, 0.0], usage=known) for t in planned[:10]]
        ledger.append(half + [verdict(t, [1.0, 0.0]) for t in planned[10:]])
        row = build(ledger)["cost"].iloc[0]
    assert (row.judgments, row.errors) == (20, 60)
    assert row.prompt_tokens_per_judgment == 100
    assert row.usd_per_1000 == pytest.approx(10)


def test_the_terminal_shows_every_name_and_no_nan(planted) -> None:
    text = io.StringIO()
    show(planted, Console(file=text, width=WIDTH))
    for judge in planted["leaderboard"].judge.unique():
        assert judge[:12] in text.getvalue()
    assert "nan" not in text.getvalue().lower()
    assert "…" not in text.getvalue()


def test_the_rule_of_the_leaderboard_has_its_numbers(tmp_path: Path) -> None:
    """Also where a judge does not vary, and other judges lend it a design effect."""
    tables = tables_of(tmp_path, pairs(60, 20), "planted:acc=.8,first=.2,first,longest")
    ours = tables["leaderboard"].query("scope == 'overall'").set_index("judge")
    for rule in ("mean", "strict"):
        theirs = (
            tables["rules"]
            .query("scope == 'overall' and rule == @rule and policy == 'wrong'")
            .set_index("judge")
        )
        assert set(theirs.index) == set(ours.index)
        for end in ("", "_lo", "_hi", "_status"):
            assert theirs[f"score{end}"].to_dict() == ours[f"{rule}{end}"].to_dict()
