"""Verdicts of several calls averaged into one, and verdicts on a part of the text."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import Item, JudgeCard, Status, Usage, Verdict, failure, verdict
from reports.read import read
from reports.readings import STATUSES, ItemTable
from reports.study import Study
from reports.tables import build

CARD = JudgeCard("j", "prompted", ("pairwise", "listwise"), samples=4)


def written(folder: Path, items: list[Item], answers: list[Verdict], card: JudgeCard) -> Path:
    path = folder / "ledger.sqlite"
    with Ledger(path, write=True) as ledger:
        ledger.write_plan(Plan(("j",), ("made",), repeats=2), items, [card])
        ledger.append(answers)
    return path


def test_samples_are_averaged_before_a_verdict_is_read(make_item, tmp_path: Path) -> None:
    items = [make_item(n) for n in range(30)]
    draw = random.Random(1)
    answers, expected = [], {}
    for index, trial in trials(items, CARD, repeats=2):
        key = (index, trial.order, trial.repeat // 4)
        if draw.random() < 0.4:
            answers.append(failure(trial, Status.UNPARSED, note="none"))
            continue
        shown = draw.choice([(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
        answers.append(verdict(trial, shown))
        expected.setdefault(key, []).append(answers[-1].utilities)
    path = written(tmp_path, items, answers, CARD)
    with Ledger(path) as ledger:
        table = ItemTable(ledger.items())
        (block,) = read(ledger, CARD, table).blocks
        assert block.top.shape == (60, 2)
        for item, repeat, tops, failed in zip(
            block.item, block.repeat, block.top, block.failed, strict=True
        ):
            for order, top, no_verdict in zip(((0, 1), (1, 0)), tops, failed, strict=True):
                given = expected.get((int(item), order, int(repeat)))
                assert no_verdict == (given is None)
                if given:
                    a, b = (fmean(values) for values in zip(*given, strict=True))
                    assert top == (1 if a > b else 2 if b > a else 3)


def test_a_sample_that_is_missing_makes_the_judgment_missing(make_item, tmp_path: Path) -> None:
    items = [make_item(n) for n in range(4)]
    answers = [verdict(t, (1.0, 0.0)) for _, t in trials(items, CARD, repeats=2)]
    with Ledger(written(tmp_path, items, answers[1:], CARD)) as ledger:
        readings = read(ledger, CARD, ItemTable(ledger.items()))
    assert readings.statuses.sum(axis=0)[STATUSES.index("not_run")] == 1


def test_a_judgment_costs_all_its_calls(make_item, tmp_path: Path) -> None:
    items = [make_item(n) for n in range(10)]
    paid = Usage(prompt_tokens=10, completion_tokens=1, latency_s=1.0, cost_usd=0.01)
    answers = [verdict(t, (1.0, 0.0), usage=paid) for _, t in trials(items, CARD, repeats=2)]
    with Ledger(written(tmp_path, items, answers, CARD)) as ledger:
        (row,) = build(ledger)["cost"].to_dict("records")
    assert (row["judgments"], row["samples"]) == (40, 4)
    assert row["prompt_tokens_per_judgment"] == 40
    assert row["usd_per_1000"] == pytest.approx(40.0)
    assert row["usd"] == pytest.approx(1.6)
    assert row["usd_per_1000_items"] == pytest.approx(160.0)  # two orders, two repeats


def test_verdicts_on_a_part_are_counted(make_item, tmp_path: Path) -> None:
    card = replace(CARD, samples=1)
    items = [make_item(n) for n in range(4)]
    answers = [
        verdict(t, (1.0, 0.0), cut=index == 0) for index, t in trials(items, card, repeats=2)
    ]
    with Ledger(written(tmp_path, items, answers, card)) as ledger:
        assert read(ledger, card, ItemTable(ledger.items())).cut.tolist() == [4, 0, 0, 0]
        row = build(ledger)["leaderboard"].iloc[0]
        assert row["cut"] == pytest.approx(0.25)
        assert math.isclose(Study.of(ledger).scores["j"].mean(), 0.5)
