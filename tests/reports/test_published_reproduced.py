"""Published figures beside a run's: real recordings, and small ledgers with known answers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from published_runs import VOTE, labelled, ledger
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

from bench.cli import app
from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.stats.rewardbench2 import SUBSETS
from bench.stats.unpaired import unpaired_difference
from bench.types import Item, JudgeCard, Label, Response, verdict
from reports.published import Figure, OurJudge, Paper, paper, paper_names
from reports.published_reproduced import Reproduced, reproduce
from reports.study import Study

RECORDED = "gpt-4-vanilla,palm2-vanilla,falcon-cot,gpt-3.5-turbo-pandalm,pandalm-7b"
WRONG_KAPPAS = "statistics.json, kappa_average"
NUMBER = Figure(
    judge="Theirs",
    column="accuracy",
    number=60.0,
    plus_minus=None,
    bound=None,
    table="Table 1",
    unit="percent",
    scoring="share right",
    tag="R",
    source="arXiv:0000.00000",
    note="",
    ours="scores.mean",
    task="made",
    group="micro",
    n=None,
    same_verdicts=False,
)


@pytest.fixture(scope="module")
def recorded(mirror: Path, tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("recorded")
    arguments = ["run", "--judges", RECORDED, "--tasks", "llmbar,pandalm", "--out", str(folder)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return folder


def made_paper(*figures: Figure, judge: str = "made") -> Paper:
    ours = {"Theirs": OurJudge(judge, None, "a key")}
    return replace(paper("together"), name="made", judges=ours, figures=figures, counts=None)


@pytest.mark.parametrize("name", ["llmbar", "pandalm"])
def test_what_was_recorded_gives_the_authors_figures(recorded: Path, name: str) -> None:
    published = paper(name)
    with Ledger(recorded / "ledger.sqlite") as opened:
        results = reproduce(published, opened)
    made = [r for r in results if r.here]
    wrong = [r for r in made if r.figure.table == WRONG_KAPPAS]
    same = [r for r in made if r.figure.same_verdicts and r not in wrong]
    assert len(same) == {"llmbar": 3 * 10 + 5, "pandalm": 8 + 3}[name]
    for r in same:
        step = {"percent": 0.01, "kappa": 0.01 if r.figure.column == "kappa" else 0.001}
        assert abs(r.difference.value) <= step.get(r.figure.unit, 0.0001) / 2 + 1e-9, r.figure
        assert not r.unpaired
        assert r.here.lo < r.here.value < r.here.hi
        assert r.difference.lo == pytest.approx(r.here.lo - r.figure.number)
    other = [r for r in made if r not in same]
    assert other, "figures that the recordings do not give stand there too"
    assert sum(abs(r.difference.value) < 0.005 for r in other) < len(other) / 2


def test_the_published_kappas_come_of_gold_and_verdicts_coded_differently(recorded: Path) -> None:
    """The authors code a verdict for the second response as 0, and such a gold label as 2."""
    with Ledger(recorded / "ledger.sqlite") as opened:
        study = Study.of(opened)
    (block,) = study.readings["gpt-4-vanilla"].blocks
    items = [study.table.items[i] for i in block.item]
    gold = np.where(study.table.vote_top[block.item] == 1, 1, 2)
    published = {
        f.column: f.number
        for f in paper("llmbar").figures
        if f.judge == "GPT-4 Vanilla" and f.table == WRONG_KAPPAS
    }
    assert len(published) == 5
    for subset, number in published.items():
        mine = np.array([item.subset == subset for item in items])
        kappas = [
            cohen_kappa_score(np.where(block.top[mine, order] == 1, 1, 0), gold[mine])
            for order in (0, 1)
        ]
        assert np.mean(kappas) == pytest.approx(number, abs=6e-4)


def test_the_command_sets_both_beside_each_other(recorded: Path) -> None:
    shown = CliRunner().invoke(app, ["paper", "pandalm", "--run", str(recorded)])
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    (f1,) = (line for line in lines if "F1" in line and "0.5743" in line)
    assert "+0.0000 [" in f1
    assert f1.rstrip().endswith("999")
    assert "8 of 8 are the published number to its last digit" in shown.output
    assert any(
        line.startswith("GPT-4 ") and line.rstrip().endswith("not run here") for line in lines
    )
    assert "smallclaims run" not in shown.output, "nothing is left that could be run"


@pytest.mark.parametrize("name", paper_names())
def test_without_a_run_the_command_says_what_would_run_it(name: str) -> None:
    shown = CliRunner().invoke(app, ["paper", name])
    assert shown.exit_code == 0, shown.output
    published = paper(name)
    assert "not run here" in shown.output
    assert published.needs.split()[0] in shown.output
    wanted = {j.judge for j in published.judges.values() if j.judge}
    commands = [line for line in shown.output.splitlines() if "smallclaims run --judges" in line]
    asked = {f.judge for f in published.figures if f.ours}
    assert bool(commands) == bool(asked & {n for n, j in published.judges.items() if j.judge})
    for judge in {j.judge for n, j in published.judges.items() if j.judge and n in asked}:
        assert any(judge in line for line in commands)
    assert bool(wanted) >= bool(commands)


def test_without_a_name_the_command_lists_the_papers() -> None:
    shown = CliRunner().invoke(app, ["paper"])
    assert shown.exit_code == 0
    for name in paper_names():
        assert name in shown.output
        assert paper(name).claim[:40] in shown.output


def test_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["paper", "llmbar", "--run", str(tmp_path / "nowhere")])
    assert shown.exit_code != 0
    assert "no ledger at" in str(shown.exception)


def twenty(make_item, folder: Path) -> Ledger:
    """Right on 15 of 20 items of as many prompts, the same in both orders."""
    says = [("a", "a")] * 15 + [("b", "b")] * 5
    return ledger(folder, labelled(make_item, *[["a"]] * 20), says)


def only(published: Paper, opened: Ledger) -> Reproduced:
    (result,) = reproduce(published, opened)
    return result


def test_without_counts_the_difference_moves_our_interval(make_item, tmp_path: Path) -> None:
    with twenty(make_item, tmp_path) as opened:
        got = only(made_paper(NUMBER), opened)
    assert got.here.value == pytest.approx(75)
    assert got.difference.value == pytest.approx(15)
    assert got.difference.hi - got.difference.lo == pytest.approx(got.here.hi - got.here.lo)
    assert (got.n_items, got.n_missing, got.unpaired) == (20, 0, False)


def test_with_counts_the_difference_has_the_error_of_both(make_item, tmp_path: Path) -> None:
    says = [("a", "a")] * 150 + [("b", "b")] * 50
    with ledger(tmp_path, labelled(make_item, *[["a"]] * 200), says) as opened:
        got = only(made_paper(replace(NUMBER, n=100)), opened)
    assert got.unpaired
    # Ours takes t(199) for the normal law, hence a little wider than Newcombe's of plain counts.
    plain = unpaired_difference((150, 60), (200, 100)).difference
    assert got.difference.value == pytest.approx(100 * plain.estimate)
    assert got.difference.lo == pytest.approx(100 * plain.lo, abs=0.1)
    assert got.difference.hi == pytest.approx(100 * plain.hi, abs=0.1)
    assert got.difference.lo < got.here.lo - 60 - 3, "wider than without their error"


def test_the_complement_turns_the_interval_round(make_item, tmp_path: Path) -> None:
    says = [("a", "a")] * 15 + [("a", "b")] * 5
    consistency = replace(NUMBER, ours="1 - position.flip_rate", number=70.0)
    with ledger(tmp_path, labelled(make_item, *[["a"]] * 20), says) as opened:
        got = only(made_paper(consistency), opened)
    assert got.here.value == pytest.approx(75)
    assert got.here.lo < 75 < got.here.hi
    assert got.difference.value == pytest.approx(5)


def test_a_number_from_memory_is_compared_with_nothing(make_item, tmp_path: Path) -> None:
    with twenty(make_item, tmp_path) as opened:
        got = only(made_paper(replace(NUMBER, tag="M")), opened)
    assert got.here is not None
    assert got.difference is None


@pytest.mark.parametrize(
    "changed", [{"task": "llmbar"}, {"group": "nowhere"}, {"ours": None, "task": None}]
)
def test_what_the_run_lacks_is_not_run_here(make_item, tmp_path: Path, changed) -> None:
    with twenty(make_item, tmp_path) as opened:
        assert only(made_paper(replace(NUMBER, **changed)), opened).here is None


def test_a_judge_that_the_run_lacks_is_not_run_here(make_item, tmp_path: Path) -> None:
    with twenty(make_item, tmp_path) as opened:
        assert only(made_paper(NUMBER, judge="gpt-4-vanilla"), opened).here is None
    assert reproduce(made_paper(NUMBER), None)[0].here is None


def test_people_stand_under_their_name(make_item, tmp_path: Path) -> None:
    agreement = replace(NUMBER, ours="data.human_agreement")
    published = replace(made_paper(agreement), judges={"Theirs": OurJudge(None, "annotators", "")})
    votes = [["a", "a"]] * 15 + [["a", "b"]] * 5
    with ledger(tmp_path, labelled(make_item, *votes), [("a", "a")] * 20) as opened:
        assert only(published, opened).here.value == pytest.approx(75)


def pairs_of(make_item, task: str) -> list[Item]:
    """Pairs as in MT-Bench and AlpacaFarm: experts' votes, a turn; the longer response is right."""
    votes = [Label(f"expert_{n}", VOTE["a"]) for n in range(3)]
    responses = (Response("a", "a longer answer"), Response("b", "an answer"))
    fields = {"task": task, "responses": responses, "meta": {"turn": 1}}
    return [
        make_item(i, labels=(*votes, Label("expert_3", VOTE["b" if i % 4 else "a"])), **fields)
        for i in range(12)
    ]


def rewardbench2(make_item) -> list[Item]:
    """Two lists of each subset, and one question of Ties; the longest response is right."""
    items = []
    for n, subset in enumerate([*SUBSETS[:5] * 2, *SUBSETS[5:] * 2]):
        right = 2 if n == 11 else 1
        texts = ["x" * (9 - k) for k in range(4)]
        items.append(
            make_item(
                n,
                id=("ref:0", "tied:0")[n - 10] if subset == "Ties" else f"{n}",
                task="rewardbench2",
                subset=subset,
                responses=tuple(Response(f"r{k}", text) for k, text in enumerate(texts)),
                labels=(Label("gold", tuple(float(k < right) for k in range(4))),),
            )
        )
    return items


@pytest.mark.parametrize(
    ("name", "judge", "task"),
    [
        ("fastchat", "mt-bench-gpt-4", "mt_bench_human"),
        ("alpacaeval", "longest", "alpacafarm_human"),
        ("rewardbench2", "skywork-v2-qwen3-0.6b", "rewardbench2"),
    ],
)
def test_recipes_of_hub_sets_find_their_numbers(make_item, tmp_path, name, judge, task) -> None:
    """On made-up items of such a task, and a judge of that name that likes what is longer."""
    lists = task == "rewardbench2"
    items = rewardbench2(make_item) if lists else pairs_of(make_item, task)
    protocols = ("pointwise",) if lists else ("pairwise",)
    card = JudgeCard(judge, "made", protocols, order_free=lists, revision="1")
    published = paper(name)
    with Ledger(tmp_path / "ledger.sqlite", write=True) as written:
        written.write_plan(Plan((judge,), (task,)), items, [card])
        written.append(
            [verdict(t, [float(len(r.text)) for r in t.shown]) for _, t in trials(items, card)]
        )
        results = reproduce(published, written)
    mine = {theirs for theirs, ours in published.judges.items() if ours.judge == judge}
    people = {theirs for theirs, ours in published.judges.items() if ours.people}
    expected = [r for r in results if r.figure.ours and r.figure.judge in mine | people]
    assert len(expected) == {"fastchat": 2, "alpacaeval": 2, "rewardbench2": 7}[name]
    for r in expected:
        assert r.here is not None, r.figure
        assert r.difference.value == pytest.approx(r.here.value - r.figure.number)
    assert all(r.here is None for r in results if r not in expected)


def test_the_verdicts_of_a_sample_say_how_many_items_they_are(mirror, tmp_path: Path) -> None:
    arguments = ["run", "--judges", "pandalm-7b", "--tasks", "pandalm", "--limit", "40"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    with Ledger(tmp_path / "run/ledger.sqlite") as opened:
        made = [r for r in reproduce(paper("pandalm"), opened) if r.here]
    assert {r.n_items for r in made} == {40}
    assert all(math.isfinite(r.difference.value) for r in made)
    shown = CliRunner().invoke(app, ["paper", "pandalm", "--run", str(tmp_path / "run")])
    assert "not run here" in shown.output
    assert "--judges gpt-3.5-turbo-pandalm" in shown.output
    assert json.loads((tmp_path / "run/plan.json").read_text())["limit"] == 40
