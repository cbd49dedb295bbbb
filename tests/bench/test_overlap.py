"""Shared prompts of two sets, and judges on items that they may have been trained on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.ledger import Ledger
from bench.overlap import GRAM, overlap, training_overlaps
from bench.plan import Plan, trials
from bench.registry import make_task
from bench.spec import parse_spec
from bench.types import (
    Item,
    Judge,
    JudgeCard,
    Message,
    Split,
    Task,
    TaskCard,
    Trial,
    Verdict,
    normalised,
    verdict,
)
from reports.tables import build

WORDS = [f"word{n}" for n in range(40)]


def asks(make_item, number: int, text: str, **fields: object) -> Item:
    item: Item = make_item(number, prompt=(Message("user", text),), **fields)
    return item


def test_same_prompt_whatever_case_spacing_and_unicode_form(make_item) -> None:
    ours = [asks(make_item, 0, "Why  is the SKY\nblue?"), asks(make_item, 1, "ﬁsh?")]
    theirs = [asks(make_item, 7, "why is the sky blue?"), asks(make_item, 8, "Fish?")]
    found = overlap(ours, theirs)
    assert dict(found.prompt) == {0: "item-7", 1: "item-8"}
    assert (found.n_theirs, found.theirs_prompt, found.theirs_gram) == (2, 2, 0)


def test_thirteen_words_in_a_row_and_not_twelve(make_item) -> None:
    long = " ".join(WORDS[:20])
    theirs = [asks(make_item, 9, f"Other words; {', '.join(WORDS[3 : 3 + GRAM])}!")]
    assert dict(overlap([asks(make_item, 0, long)], theirs).gram) == {0: "item-9"}
    short = [asks(make_item, 9, f"Other words; {', '.join(WORDS[3 : 3 + GRAM - 1])}!")]
    assert not overlap([asks(make_item, 0, long)], short).gram
    turned = [asks(make_item, 9, " ".join(reversed(WORDS[:20])))]
    assert not overlap([asks(make_item, 0, long)], turned).gram


def test_later_turns_are_compared_by_words_and_openings_as_wholes(make_item) -> None:
    tail = " ".join(WORDS)
    talk = (Message("user", "hi"), Message("assistant", "yes?"), Message("user", tail))
    ours = [make_item(0, prompt=talk)]
    assert dict(overlap(ours, [asks(make_item, 1, "Hi")]).prompt) == {0: "item-1"}
    assert dict(overlap(ours, [asks(make_item, 2, f"So {tail}")]).gram) == {0: "item-2"}


def test_nothing_is_shared_with_nothing(make_item) -> None:
    found = overlap([], [asks(make_item, 0, " ".join(WORDS))])
    assert (dict(found.prompt), dict(found.gram), found.n_theirs) == ({}, {}, 1)
    assert overlap([asks(make_item, 0, "x")], []).n_theirs == 0


@pytest.mark.skipif("SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set")
def test_against_plain_sets_of_words_on_real_data() -> None:
    """The hashed runs of words find what comparing the words themselves finds."""
    one, other = (list(make_task(parse_spec(n)).items()) for n in ("hh_harmless", "xstest"))
    # The sets share one prompt and no run of words: some prompts come again with a new beginning.
    other += [
        replace(item, id=f"{item.id}/again", prompt=(Message("user", "Well:"), *item.prompt))
        for item in one[::7]
    ]

    def grams(item: Item) -> set[tuple[str, ...]]:
        words = re.findall(r"\w+", normalised("\n".join(m.content for m in item.prompt)))
        return {tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)}

    keys = {item.prompt_key for item in other}
    theirs = set().union(*map(grams, other))
    found = overlap(one, other)
    assert set(found.prompt) == {i for i, item in enumerate(one) if item.prompt_key in keys}
    by_words = {i for i, item in enumerate(one) if grams(item) & theirs}
    assert set(found.gram) == by_words - set(found.prompt)
    assert (len(found.prompt), found.theirs_prompt) == (1, 2)
    assert len(found.gram) > 100


class Listed(Task):
    def __init__(self, name: str, items: list[Item]) -> None:
        self.card = TaskCard(name, name, (), "", "", "1")
        self._items = items

    def items(self, split: Split | None = None) -> Iterator[Item]:
        yield from (i for i in self._items if split in (None, i.split))


class Always(Judge):
    """Right on what it was trained on, and wrong elsewhere."""

    def __init__(self, name: str, trained_on: tuple[str, ...], known: set[str]) -> None:
        self.card = JudgeCard(
            name, "made", ("pairwise",), settings={"n": name}, trained=True, trained_on=trained_on
        )
        self._known = known

    def judge(self, trials: list[Trial]) -> Iterator[Verdict]:
        for trial in trials:
            right = trial.item.prompt[0].content in self._known
            yield verdict(trial, [float((r == 0) == right) for r in trial.order])


def test_the_table_shows_the_score_with_and_without_what_was_seen(
    make_item, tmp_path: Path
) -> None:
    seen = [f"question number {n} of those that were seen" for n in range(6)]
    rest = [f"question number {n} that is new" for n in range(18)]
    near = " ".join(WORDS[:14])
    items = [
        asks(make_item, n, text, domain=f"d{n % 2}") for n, text in enumerate([*seen, *rest, near])
    ]
    source = Listed("elsewhere", [*items[:6], asks(make_item, 99, f"please: {near}")])
    told: list[str] = []
    judges = [
        Always("memory", ("elsewhere",), {*seen, near}),
        Always("secret", ("nowhere to be had",), set()),
        Always("open", (), set()),
    ]
    overlaps = training_overlaps(judges, items, [source], told.append)
    assert [(o.judge, o.source, len(o.shared), bool(o.unknown)) for o in overlaps] == [
        ("memory", "elsewhere", 7, False),
        ("secret", "nowhere to be had", 0, True),
    ]
    assert len(told) == 1 and "secret: not compared with its training set nowhere" in told[0]
    with Ledger(tmp_path / "ledger.sqlite", write=True) as ledger:
        cards = [judge.card for judge in judges]
        ledger.write_plan(Plan(("memory",), ("made",)), items, cards, overlaps)
        for judge in judges:
            ledger.append(judge.judge([t for _, t in trials(items, judge.card)]))
        assert ledger.overlaps() == overlaps
        table = build(ledger)["overlap"].set_index(["judge", "group"])
    assert set(table.index) == set(product(["memory", "secret"], ["macro", "micro", "d0", "d1"]))
    row = table.loc[("memory", "micro")]
    assert (row.n_items, row.n_same_prompt, row.n_same_words) == (25, 6, 1)
    assert (row.mean_with, row.mean_without) == (pytest.approx(7 / 25), 0)
    assert row.not_compared == ""
    assert table.loc[("secret", "micro"), "not_compared"] == "nowhere to be had"


def test_only_prompts_that_a_judge_was_fitted_on_count_where_they_are_known(make_item) -> None:
    every = [asks(make_item, n, f"question number {n}") for n in range(40)]
    judge = Always("fitted", ("set",), set())
    training = [item for item in every if item.split == "train"]
    judge.training_prompts = frozenset(item.prompt_key for item in training[:3])
    (found,) = training_overlaps([judge], every, [Listed("set", every)], print)
    assert set(found.shared) == {every.index(item) for item in training[:3]}


def test_the_plan_of_a_ledger_changes_with_what_a_judge_was_trained_on(
    make_item, tmp_path: Path
) -> None:
    items = [make_item(n) for n in range(3)]
    judge = Always("j", ("set",), set())
    overlaps = training_overlaps([judge], items, [Listed("set", items)], print)
    with Ledger(tmp_path / "l.sqlite", write=True) as ledger:
        plan = Plan(("j",), ("made",))
        ledger.write_plan(plan, items, [judge.card])
        ledger.write_plan(plan, items, [judge.card], overlaps)
        assert ledger.overlaps() == overlaps
        ledger.write_plan(plan, items, [judge.card], [replace(overlaps[0], shared={})])
        assert not ledger.overlaps()[0].shared


def test_the_command_counts_and_shows_examples(tmp_path: Path) -> None:
    row = (
        '{{"id": "{id}", "domain": "chat", "prompt": [{{"role": "user", "content": "{text}"}}], '
        '"responses": [{{"id": "a", "text": "x"}}, {{"id": "b", "text": "y"}}], '
        '"labels": [{{"annotator": "w", "preferred": 0}}]}}\n'
    )
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    long = " ".join(WORDS)
    a.write_text(row.format(id="1", text="Same here") + row.format(id="2", text=f"A {long}"))
    b.write_text(row.format(id="7", text="same  HERE") + row.format(id="8", text=f"B {long}"))
    ran = CliRunner().invoke(app, ["overlap", f"jsonl:{a}", f"jsonl:{b}"])
    assert ran.exit_code == 0, ran.output
    assert "same prompt: 1 of jsonl" in ran.output
    assert "13 words in a row, prompt not the same: 1 of jsonl" in ran.output
    assert "same prompt: 1 and 7: same here" in ran.output
    assert "13 words: 2 and 8: a word0 word1" in ran.output


def test_a_set_of_ones_own_is_found_again_by_what_was_asked_for(make_item, tmp_path: Path) -> None:
    path = tmp_path / "own" / "mine.jsonl"
    path.parent.mkdir()
    row = {
        "id": "1",
        "domain": "chat",
        "prompt": [{"role": "user", "content": "question 0"}],
        "responses": [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}],
        "labels": [{"annotator": "w", "preferred": 0}],
    }
    path.write_text(json.dumps(row) + "\n")
    task = make_task(parse_spec(f"jsonl:{path}"))
    assert task.card.name == "jsonl:own/mine"
    assert task.asked == f"jsonl:{path}"
    items = [make_item(n) for n in range(3)]
    for name in (task.asked, task.card.name):
        judge = Always("j", (name,), set())
        (found,) = training_overlaps([judge], items, [task], print)
        assert (dict(found.shared), found.unknown) == ({0: "prompt"}, "")
    (found,) = training_overlaps([Always("j", (task.asked,), set())], items, [], print)
    assert dict(found.shared) == {0: "prompt"}
