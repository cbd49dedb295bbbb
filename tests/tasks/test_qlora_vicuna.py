"""QLoRA's Vicuna pairs from the authors' files: GPT-4 in both orders, and no label."""

from __future__ import annotations

import os
import uuid
from collections import Counter, defaultdict
from typing import Any

import pytest

from bench.plan import trials
from bench.registry import cards, make_judge
from bench.spec import parse_specs
from bench.stats.transitivity import Triples, transitivity
from bench.types import BenchError, Context, Item, Status
from tasks.qlora_vicuna import VERDICTS, WRITERS, QloraVicuna, _files, _read, make

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(QloraVicuna().items())


@pytest.fixture(scope="module")
def verdicts() -> dict[str, dict[str, Any]]:
    """Item -> order -> +1 the item's first response won, 0 tie, -1 the second, None no verdict."""
    sign = {0: 1, 1: -1, "tie": 0, None: None}
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for record in QloraVicuna().recorded("gpt-4"):
        assert record["order"] not in found[record["item_id"]]
        found[record["item_id"]][record["order"]] = sign[record["winner"]]
    return found


@pytest.fixture(scope="module")
def both(verdicts: dict[str, dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """The items that have a verdict in both orders."""
    pairs = {item: (orders["ab"], orders["ba"]) for item, orders in verdicts.items()}
    return {item: pair for item, pair in pairs.items() if None not in pair}


@needs_mirror
def test_items(items: list[Item]) -> None:
    assert len(items) == len({item.id for item in items}) == 2240
    assert len({item.prompt_key for item in items}) == 80
    assert {item.labels for item in items} == {()}
    assert {item.domain for item in items} == {"chat"}
    writers = [tuple(str(r.model) for r in item.responses) for item in items]
    assert set(Counter(writers).values()) == {80} and len(set(writers)) == 28
    assert {name for pair in writers for name in pair} == set(WRITERS)
    subsets = Counter(item.subset for item in items)
    assert subsets["coding"] == 7 * 28 and subsets["math"] == 3 * 28 and len(subsets) == 9
    splits = Counter(item.split for item in items)
    for split, n in splits.items():
        assert len(list(QloraVicuna().items(split))) == n


@needs_mirror
def test_a_writer_has_one_answer_to_a_question(items: list[Item]) -> None:
    texts = defaultdict(set)
    for item in items:
        for response in item.responses:
            assert response.text.strip()
            texts[item.prompt_key, response.model].add(response.text)
    assert len(texts) == 640 and {len(found) for found in texts.values()} == {1}
    assert not any("### Human" in text for found in texts.values() for text in found)


def short_uuid(name: str) -> str:
    """The authors' id of an answer without one: UUID 5 of its text in base 57."""
    alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, digits = uuid.uuid5(uuid.NAMESPACE_DNS, name).int, ""
    for _ in range(22):
        number, digit = divmod(number, 57)
        digits = alphabet[digit] + digits
    return digits


@needs_mirror
def test_texts_are_those_that_the_judge_saw(items: list[Item]) -> None:
    """Ids in the verdict files are hashes of what was shown, for all answers by Guanaco."""
    text = {
        (response.model, item.id.rpartition("/")[2]): response.text
        for item in items
        for response in item.responses
    }
    checked = 0
    for first, second in ((a, b) for a in WRITERS for b in WRITERS if a != b):
        files = (WRITERS[writer].replace("_", "-") for writer in (first, second))
        for row in _read(VERDICTS.format(*files)):
            for writer, shown in ((first, row["answer1_id"]), (second, row["answer2_id"])):
                if writer.startswith("guanaco"):
                    assert short_uuid(text[writer, str(row["question_id"])]) == shown
                    checked += 1
    assert checked == 4480


@needs_mirror
def test_recorded_verdicts(items: list[Item], verdicts: dict[str, dict[str, Any]]) -> None:
    assert set(verdicts) == {item.id for item in items}
    assert {tuple(sorted(orders)) for orders in verdicts.values()} == {("ab", "ba")}
    shown = Counter(
        sign if order == "ab" or sign is None else -sign
        for orders in verdicts.values()
        for order, sign in orders.items()
    )
    assert shown == {1: 2512, -1: 1355, 0: 600, None: 13}
    failed = [r["raw"] for r in QloraVicuna().recorded("gpt-4") if r["winner"] is None]
    assert failed.count("error") == 8 and len(failed) == 13
    assert all(record["raw"] for record in QloraVicuna().recorded("gpt-4"))


@needs_mirror
def test_verdicts_end_in_the_class_that_is_recorded() -> None:
    for record in QloraVicuna().recorded("gpt-4"):
        if record["winner"] is not None:
            ab = {0: "1", 1: "2", "tie": "3"}
            ba = {0: "2", 1: "1", "tie": "3"}
            told = (ab if record["order"] == "ab" else ba)[record["winner"]]
            assert record["raw"].strip().splitlines()[-1].strip() == told


@needs_mirror
def test_orders_are_not_exchanged(both: dict[str, tuple[int, int]]) -> None:
    """The two orders agree on content far more often than with one of them mirrored, and
    the strongest writer wins most."""
    assert len(both) == 2227
    assert sum(a == b for a, b in both.values()) == 1367
    assert sum(a == -b for a, b in both.values()) == 456 + 95  # the ties are their own mirror
    wins = Counter[str]()
    for item, (a, b) in both.items():
        one, _, two = item.split("/")[1].partition("-vs-")
        wins[one] += a + b
        wins[two] -= a + b
    assert wins.most_common(1)[0][0] == "gpt-4"


@needs_mirror
def test_what_is_shown_first_is_favoured(both: dict[str, tuple[int, int]]) -> None:
    """Of the 860 pairs on which the orders disagree, 797 lean to what was shown first."""
    towards_first = Counter((a > b) - (a < b) for a, b in both.values())
    assert towards_first == {0: 1367, 1: 797, -1: 63}


@needs_mirror
def test_preferences_are_nearly_transitive(
    items: list[Item], both: dict[str, tuple[int, int]]
) -> None:
    """Orders combined, a disagreement being a tie; one order alone has many more cycles."""
    rows = [item for item in items if item.id in both]
    one, two = ([str(item.responses[i].model) for item in rows] for i in (0, 1))
    prompts = [item.prompt_key for item in rows]
    combined = [a if a == b else 0 for a, b in (both[item.id] for item in rows)]
    found = transitivity(one, two, combined, prompts)
    assert found.triples == Triples(945, 1, 81, 1777, 989, 610)
    assert found.incomplete == 77 and sum([945, 1, 81, 1777, 989, 610]) + 77 == 80 * 56
    assert found.cycles.n_clusters == 80 and found.cycles.hi < 0.01
    first = [both[item.id][0] for item in rows]
    alone = transitivity(one, two, first, prompts)
    assert alone.cycles.lo > found.cycles.hi


@needs_mirror
def test_recorded_judge_through_the_plan(items: list[Item]) -> None:
    (name,) = [name for name, card in cards().items() if card.get("tasks") == ["qlora_vicuna"]]
    (spec,) = parse_specs(name)
    judge = make_judge(spec, Context(tasks=(QloraVicuna(),)))
    assert judge.card.orders == "all" and judge.card.tasks == ("qlora_vicuna",)
    planned = list(trials(items, judge.card))
    found = Counter(verdict.status for verdict in judge.judge(trial for _, trial in planned))
    assert found == {Status.OK: 4467, Status.UNPARSED: 13}


def test_files_and_unknown_names() -> None:
    assert len(_files()) == 1 + 8 + 56
    with pytest.raises(BenchError, match=r"'gpt-5'. There is: gpt-4\."):
        next(iter(QloraVicuna().recorded("gpt-5")))
    (spec,) = parse_specs("qlora_vicuna:x=1")
    with pytest.raises(BenchError, match="qlora_vicuna alone expected"):
        make(spec)
