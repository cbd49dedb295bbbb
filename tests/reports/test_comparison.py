"""The question of the project, asked of judges whose answer is known."""

from __future__ import annotations

import random

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import BenchError, JudgeCard, Message, verdict
from reports.comparison import ask
from reports.headline import Question, headline_table
from reports.study import Study
from reports.tables import build
from reports.verdicts import sentence


def card(name: str, **more) -> JudgeCard:
    return JudgeCard(name, "made", ("pairwise",), settings={"name": name}, **more)


def items_of(make_item, n: int, domains: int = 1):
    """n pairs, two to a prompt."""
    return [
        make_item(
            i,
            domain=f"domain {i // 2 % domains}",
            prompt=(Message("user", f"question {i // 2}"),),
        )
        for i in range(n)
    ]


def ledger_of(folder, items, skills, **cards):
    """`skills`: judge -> probability of being right, or a function of the item."""
    draw = random.Random(1)
    path = folder / "ledger.sqlite"
    made = [cards.get(name, card(name)) for name in skills]
    with Ledger(path, write=True) as ledger:
        ledger.write_plan(Plan(tuple(skills), ("made",)), items, made)
        for judge in made:
            skill = skills[judge.name]
            right = [draw.random() < (skill(item) if callable(skill) else skill) for item in items]
            ledger.append(
                verdict(t, [float((k == 0) == right[i]) for k in t.order])
                for i, t in trials(items, judge)
            )
    return path


def study_of(folder, items, skills, **cards) -> Study:
    with Ledger(ledger_of(folder, items, skills, **cards)) as ledger:
        return Study.of(ledger)


@pytest.mark.parametrize(
    ("small", "large", "margin", "verdict"),
    [
        (0.9, 0.7, 0.02, "superior"),
        (0.7, 0.9, 0.02, "inferior"),
        (0.7, 0.7, 0.02, "undecided"),
        (0.8, 0.8, 0.10, "equivalent"),
    ],
)
def test_verdicts(tmp_path, make_item, small, large, margin, verdict) -> None:
    items = items_of(make_item, 1600 if verdict != "undecided" else 300, domains=2)
    study = study_of(tmp_path, items, {"a": small, "b": large})
    table = headline_table(study, Question(("a",), ("b",), margin))
    row = table.iloc[0]
    assert row.verdict == verdict
    assert row.n_items == len(items), "no champion was chosen, so no item is held back"
    assert row.difference_lo < small - large < row.difference_hi
    said = sentence(row.to_dict())
    assert f"{100 * row.difference:+.1f} points" in said
    assert "a" in said and "b" in said
    assert "family" not in set(table.question), "the families are the champions"
    if verdict == "equivalent":
        assert "90 % interval" in said
    if verdict == "undecided":
        assert f"{100 * row.mde:.1f} points would have shown" in said
        assert row.smallest_margin > margin


def test_champions_are_chosen_on_dev_and_compared_on_the_rest(tmp_path, make_item) -> None:
    items = items_of(make_item, 3000, domains=3)
    skills = {"a": 0.6, "b": 0.8, "c": 0.9, "d": 0.5}
    study = study_of(tmp_path, items, skills)
    table = headline_table(study, Question(("a", "b"), ("c", "d")))
    row = table.iloc[0]
    dev = sum(item.split == "dev" for item in items)
    assert (row.small, row.large) == ("b", "c")
    assert row.n_items == 3000 - dev
    assert f"{dev} dev items" in row.note
    family = table[table.question == "family"].set_index("group")
    these, like = family.loc["these judges"], family.loc["judges like these"]
    assert these.difference == like.difference == pytest.approx(0.0, abs=0.02)
    assert like.difference_hi - like.difference_lo > 5 * (these.difference_hi - these.difference_lo)
    assert these.n_items == 3000, "nothing was chosen between the families"
    domains = table[table.scope == "domain"]
    assert len(domains) == 3
    assert (domains.p_holm >= domains.p).all()


def test_domains_of_both_signs_allow_no_overall_sentence(tmp_path, make_item) -> None:
    items = items_of(make_item, 1200, domains=2)
    study = study_of(
        tmp_path,
        items,
        {"a": lambda item: 0.9 if item.domain == "domain 0" else 0.6, "b": 0.7},
    )
    row = headline_table(study, Question(("a",), ("b",))).iloc[0]
    assert row.domains_disagree
    said = sentence(row.to_dict())
    assert "depends on the domain" in said
    assert "more often" not in said


def test_equal_size_and_equal_cost(tmp_path, make_item) -> None:
    """The large side's champion is larger and dearer; the small one meets the best within."""
    items = items_of(make_item, 1200)
    sizes = {"small": 10, "same": 10, "huge": 1000}
    study = study_of(
        tmp_path,
        items,
        {"small": 0.8, "same": 0.6, "huge": 0.95},
        **{name: card(name, parameters=size) for name, size in sizes.items()},
    )
    usd = {"small": 1.0, "same": 0.5, "huge": 9.0}
    table = headline_table(study, Question(("small",), ("same", "huge")), usd)
    verdicts = table[table.scope == "overall"].set_index("question")
    assert verdicts.loc["champion", "large"] == "huge"
    for question in ("equal size", "equal cost"):
        assert verdicts.loc[question, "large"] == "same"
        assert verdicts.loc[question, "verdict"] == "superior"


def test_a_task_that_one_side_did_not_judge_has_no_row(tmp_path, make_item) -> None:
    items = items_of(make_item, 100)
    elsewhere = card("b", tasks=("another",))
    study = study_of(tmp_path, items, {"a": 0.8, "b": 0.5}, b=elsewhere)
    assert headline_table(study, Question(("a",), ("b",))).empty


def test_questions_that_cannot_be_asked(tmp_path, make_item) -> None:
    study = study_of(tmp_path, items_of(make_item, 20), {"judge-1": 0.8, "judge-2": 0.5})
    with pytest.raises(BenchError, match="Did you mean judge-"):
        ask(study, "judge-3", "judge-2", 0.02)
    with pytest.raises(BenchError, match="both sides"):
        ask(study, "judge-1", "judge-1,judge-2", 0.02)
    with pytest.raises(BenchError, match="no trained judge"):
        ask(study, "", "judge-2", 0.02)
    with pytest.raises(BenchError, match="named 2 times"):
        ask(study, "judge-1,judge-1", "judge-2", 0.02)
    for margin in (0, -0.1, 1, float("nan")):
        with pytest.raises(BenchError, match="margin"):
            ask(study, "judge-1", "judge-2", margin)
    assert ask(study, "judge-1", "judge-2", 0.05) == Question(("judge-1",), ("judge-2",), 0.05)


def test_the_key_of_a_question_changes_with_it() -> None:
    keys = {
        Question(("a",), ("b",)).key,
        Question(("b",), ("a",)).key,
        Question(("a",), ("b",), 0.05).key,
    }
    assert len(keys) == 3
    assert Question(("a",), ("b",)).key == Question(("a",), ("b",)).key


def test_compare_on_the_command_line(tmp_path, make_item) -> None:
    items = items_of(make_item, 400, domains=2)
    trained = card("probe", trained=True)
    ledger_of(tmp_path, items, {"probe": 0.9, "asked": 0.6, "other": 0.55}, probe=trained)
    run = CliRunner()
    done = run.invoke(app, ["compare", str(tmp_path), "--large", "asked,other"])
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "On made, probe agrees with the labels more often than asked" in text
    assert "champion: domain 1" in text
    assert "family: judges like these" in text
    assert "nan" not in text.lower()
    wrong = run.invoke(app, ["compare", str(tmp_path), "--large", "asket"])
    assert wrong.exit_code == 1
    assert isinstance(wrong.exception, BenchError)


def test_lost_answers_are_counted_and_not_scored(tmp_path, make_item) -> None:
    items = items_of(make_item, 200, domains=2)
    study = study_of(tmp_path, items, {"a": 0.9, "b": 0.6})
    study.scores["a"][:30] = np.nan  # as if its answers had not come
    row = headline_table(study, Question(("a",), ("b",))).iloc[0]
    assert (row.n_items, row.n_missing) == (170, 30)


def test_no_champion_without_dev_items(tmp_path, make_item) -> None:
    """Never the first named: without items to choose on there is no champion."""
    items = [item for item in items_of(make_item, 400) if item.split != "dev"]
    study = study_of(tmp_path, items, {"a": 0.7, "b": 0.8, "c": 0.6})
    table = headline_table(study, Question(("a", "b"), ("c",)))
    row = table.iloc[0]
    assert (row.verdict, row.small) == ("undefined", "a, b")
    assert "no dev items" in sentence(row.to_dict())
    assert "family" in set(table.question), "needs no choice"
    alone = headline_table(study, Question(("b",), ("c",)))
    assert alone.iloc[0].verdict == "superior"


def test_a_judge_that_lacks_a_domain_is_no_champion(tmp_path, make_item) -> None:
    items = items_of(make_item, 2000, domains=2)
    hard = np.array([item.domain == "domain 1" for item in items])

    def skill(easy, other):
        return lambda item: other if item.domain == "domain 1" else easy

    skills = {"good": skill(0.95, 0.6), "lost": skill(0.9, 0.0), "large": 0.7}
    study = study_of(tmp_path, items, skills)
    study.scores["lost"][hard] = np.nan  # as if its answers had not come
    table = headline_table(study, Question(("good", "lost"), ("large",)))
    assert table.iloc[0].small == "good"
    assert table.iloc[0].verdict != "undefined"
    family = table[table.question == "family"].iloc[0]
    assert family.verdict == "undefined"
    assert "no item of domain 1 has a score of every judge" in family.note


def test_restricted_champions_meet_on_items_that_did_not_choose(tmp_path, make_item) -> None:
    items = items_of(make_item, 1000)
    sizes = {"a": 10, "b": 10, "same": 10, "huge": 1000}
    study = study_of(
        tmp_path,
        items,
        {"a": 0.8, "b": 0.7, "same": 0.6, "huge": 0.95},
        **{name: card(name, parameters=size) for name, size in sizes.items()},
    )
    table = headline_table(study, Question(("a", "b"), ("same", "huge")))
    rows = table[table.scope == "overall"].set_index("question")
    dev = sum(item.split == "dev" for item in items)
    assert rows.loc["equal size", "n_items"] == 1000 - dev
    assert rows.loc["equal cost", "note"] == "the cost of a is not known"


def test_an_incomplete_judge_gets_no_verdict_and_no_p(tmp_path, make_item) -> None:
    items = items_of(make_item, 300)
    path = tmp_path / "ledger.sqlite"
    judges = [card("a"), card("b")]
    with Ledger(path, write=True) as ledger:
        ledger.write_plan(Plan(("a", "b"), ("made",)), items, judges)
        for judge, right, until in zip(judges, (0, 1), (290, 300), strict=True):
            ledger.append(
                verdict(t, [float(k == right) for k in t.order])
                for i, t in trials(items, judge)
                if i < until
            )
    with Ledger(path) as ledger:
        study = Study.of(ledger)
        pairs = build(ledger)["pairs"]
    row = headline_table(study, Question(("a",), ("b",))).iloc[0]
    assert (row.verdict, row.n_items, row.n_missing) == ("undefined", 290, 10)
    assert row.difference == 1
    assert np.isnan(row.p)
    assert "a has no answer for 3.3% of its showings" in sentence(row.to_dict())
    assert pairs.p.isna().all()
    assert pairs.difference_lo.iloc[0] > 0.9


def test_p_and_interval_agree_in_every_row(tmp_path, make_item) -> None:
    for n in (6, 12, 60, 300):
        folder = tmp_path / str(n)
        folder.mkdir()
        with Ledger(ledger_of(folder, items_of(make_item, n, 2), {"a": 0.9, "b": 0.6})) as ledger:
            tables = build(ledger)
            table = headline_table(Study.of(ledger), Question(("a",), ("b",)))
        rows = table[(table.scope != "overall") & table.p.notna()]
        outside = (rows.difference_lo > 0) | (rows.difference_hi < 0)
        assert ((rows.p < 0.05) == outside).all()
        pairs = tables["pairs"].dropna(subset=["p"])
        outside = (pairs.difference_lo > 0) | (pairs.difference_hi < 0)
        assert ((pairs.p < 0.05) == outside).all()
