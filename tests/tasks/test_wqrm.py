"""WQRM's annotations from the authors' file: rankings, prompts, the recorded scores."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.plan import trials
from bench.registry import make_judge, resolve_judge
from bench.spec import parse_spec
from bench.types import BenchError, Context, Item, Status
from tasks.wqrm import COMMIT, WQRM, make

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)
STAGES = ("first_draft", "random_cot", "best_cot")
BEST, SECOND, LEAST = (
    f"{words} Writing Option" for words in ("Most Preferred", "Second Favorite", "Least Preferred")
)
Rows = dict[str, Any]


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(WQRM().items())


@pytest.fixture(scope="module")
def rows(mirror: Path) -> Rows:
    """Item id -> the authors' row."""
    folder = mirror / f"github.com/salesforce/creativity_eval/{COMMIT}"
    found = json.loads((folder / "WritingRewards/WQRM_annotations.json").read_text())
    return {f"wqrm/{row['id']}": row for row in found}


def stages(item: Item, rows: Rows) -> list[str]:
    """Which stage each response is, told by its text."""
    by_text = {rows[item.id][stage]["candidate"]: stage for stage in STAGES}
    return [by_text[response.text] for response in item.responses]


@needs_mirror
def test_items_say_what_the_rows_say(items: list[Item], rows: Rows) -> None:
    assert [item.id for item in items] == list(rows)
    assert len(items) == 101
    ranks = {BEST: 2.0, SECOND: 1.0, LEAST: 0.0}
    for item in items:
        row, shown = rows[item.id], stages(item, rows)
        assert sorted(shown) == sorted(STAGES)
        assert [label.utilities for label in item.labels] == [
            tuple(ranks[ranking[stage]] for stage in shown) for ranking in row["annotations"]
        ]
        assert {sorted(label.utilities) == [0, 1, 2] for label in item.labels} == {True}
        assert item.subset == row["genre"]
        for response, stage in zip(item.responses, shown, strict=True):
            family, _, edit = (response.model or "").partition(" + ")
            assert family == row["llm"]
            assert edit == {"first_draft": "", "random_cot": "random edit"}.get(stage, "best edit")
    assert Counter(len(item.labels) for item in items) == {3: 72, 2: 26, 4: 3}
    assert Counter(item.subset for item in items) == {
        "fiction": 37,
        "marketing": 33,
        "nonfiction": 31,
    }
    assert {item.domain for item in items} == {"creative-writing"}


@needs_mirror
def test_prompts_hold_the_whole_instruction(items: list[Item], rows: Rows) -> None:
    asked: dict[str, set[str]] = {}
    for item in items:
        (message,) = item.prompt
        instruction = rows[item.id]["instruction"]
        if item.subset == "marketing":
            product = item.id.split("_marketing_")[1].replace("_", " ")
            assert message.content.endswith(f": {product}.")
            asked.setdefault(message.content, set()).add(product)
        else:
            for part in ("plot", "voice", "word_count"):
                assert str(instruction[part]) in message.content
            asked.setdefault(message.content, set()).add(json.dumps(instruction))
        assert item.reference == instruction.get("paragraph")
        assert (item.reference is not None) == (item.subset == "nonfiction")
    assert {len(found) for found in asked.values()} == {1}
    assert len(asked) == len({item.prompt_key for item in items}) == 75


@needs_mirror
def test_length_and_agreement_as_known(rows: Rows) -> None:
    """From the rows alone: the figures of the card, with the golden 0.162."""
    with_majority, by_vote, same = [], [], []
    for row in rows.values():
        length = {stage: len(row[stage]["candidate"]) for stage in STAGES}
        longest = [stage for stage in STAGES if length[stage] == max(length.values())]
        votes = [next(s for s in STAGES if ranking[s] == BEST) for ranking in row["annotations"]]
        by_vote.append(sum(vote in longest for vote in votes) / len(votes) / len(longest))
        (top, count), *_ = Counter(votes).most_common()
        if 2 * count > len(votes):
            with_majority.append((top in longest) / len(longest))
        same += [a == b for a, b in itertools.combinations(votes, 2)]
    assert len(with_majority) == 74
    assert sum(with_majority) / 74 == pytest.approx(0.162, abs=5e-4)
    assert sum(by_vote) / 101 == pytest.approx(0.219, abs=5e-4)
    assert sum(same) / len(same) == pytest.approx(0.412, abs=5e-4)


@needs_mirror
def test_the_longest_scores_the_same_on_our_items(items: list[Item]) -> None:
    right = []
    for item in items:
        votes = [label.utilities.index(2.0) for label in item.labels]
        (top, count), *_ = Counter(votes).most_common()
        if 2 * count > len(votes):
            lengths = [len(response.text) for response in item.responses]
            right.append(lengths[top] == max(lengths))
    assert (sum(right), len(right)) == (12, 74)


@needs_mirror
def test_the_order_gives_nothing_away(items: list[Item]) -> None:
    places = Counter(label.utilities.index(2.0) for item in items for label in item.labels)
    assert all(0.25 < places[place] / 280 < 0.42 for place in range(3))
    assert {tuple(r.id for r in item.responses) for item in items} == {("a", "b", "c")}


@needs_mirror
def test_recorded_scores_are_in_item_coordinates(items: list[Item], rows: Rows) -> None:
    records = list(WQRM().recorded("wqrm"))
    assert [record["item_id"] for record in records] == [item.id for item in items]
    first = Counter[str]()
    for record, item in zip(records, items, strict=True):
        shown = stages(item, rows)
        assert record["order"] == "point"
        assert record["scores"] == [rows[item.id][stage]["wqrm_score"] for stage in shown]
        first[shown[record["scores"].index(max(record["scores"]))]] += 1
    assert first == {"best_cot": 101}  # the judge chose it
    votes = [ranking["best_cot"] == BEST for row in rows.values() for ranking in row["annotations"]]
    assert (sum(votes), len(votes)) == (139, 280)  # 0.496


@needs_mirror
def test_the_card_of_the_recorded_judge_answers_on_every_item(items: list[Item]) -> None:
    judge = make_judge(resolve_judge(parse_spec("wqrm")), Context(tasks=(WQRM(),)))
    assert judge.card.trained
    assert judge.card.protocols == ("pointwise",)
    verdicts = list(judge.judge(trial for _, trial in trials(items, judge.card)))
    assert Counter(verdict.status for verdict in verdicts) == {Status.OK: 303}


def test_unknown_names_are_told() -> None:
    with pytest.raises(BenchError, match=r"'gpt-4'. There is: wqrm\."):
        next(iter(WQRM().recorded("gpt-4")))
    with pytest.raises(BenchError, match="wqrm alone expected"):
        make(parse_spec("wqrm:x=1"))
