"""LLMBar from the authors' files: every accuracy that they published, from our records."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from statsmodels.stats.inter_rater import cohens_kappa, to_table

from bench.spec import parse_specs
from bench.types import BenchError, Item
from tasks.llmbar import COMMIT, SUBSETS, LLMBar, make, recorded_sources
from tasks.sources import pinned

MIRROR = os.environ.get("SMALLCLAIMS_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="SMALLCLAIMS_MIRROR is not set")


def published(source: str, subset: str) -> dict[str, Any]:
    """The authors' statistics of one judge on one subset."""
    home = Path(MIRROR or "") / "github.com" / "princeton-nlp" / "LLMBar" / COMMIT
    path = home / SUBSETS[subset] / "evaluators" / source / "statistics.json"
    statistics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return statistics


@pytest.fixture(scope="module")
def items() -> dict[str, Item]:
    return {item.id: item for item in LLMBar().items()}


def winners(source: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Subset -> item id -> order -> winner."""
    table: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for record in LLMBar().recorded(source):
        subset = record["item_id"].split("/")[1]
        assert record["order"] not in table[subset][record["item_id"]]
        table[subset][record["item_id"]][record["order"]] = record["winner"]
    return table


def gold(item: Item) -> int:
    return item.labels[0].utilities.index(1.0)


@needs_mirror
def test_items(items: dict[str, Item]) -> None:
    sizes = {name: sum(item.subset == name for item in items.values()) for name in SUBSETS}
    assert sizes == {"Natural": 100, "Neighbor": 134, "GPTInst": 92, "GPTOut": 47, "Manual": 46}
    assert {item.domain for item in items.values()} == {"instruction-following"}
    assert {len(item.labels) for item in items.values()} == {1}
    longest = [
        len(item.responses[gold(item)].text) - len(item.responses[1 - gold(item)].text)
        for item in items.values()
    ]
    # "Always the longest", equal lengths counting half.
    assert sum((d > 0) + (d == 0) / 2 for d in longest) / 419 == pytest.approx(0.272, abs=5e-4)
    splits = [item.id for name in ("train", "dev", "test") for item in LLMBar().items(name)]
    assert sorted(splits) == sorted(items)


@needs_mirror
@pytest.mark.parametrize("source", recorded_sources())
def test_accuracies_are_the_authors(source: str, items: dict[str, Item]) -> None:
    """correct_False/True: right in the original and the swapped order; both; equal: same winner
    (or no winner) in both orders. Written as the authors wrote them, to the last digit."""
    table = winners(source)
    assert sum(map(len, table.values())) == 419
    for subset, verdicts in table.items():
        right = dict.fromkeys(("ab", "ba", "both", "equal"), 0)
        for item_id, winner in verdicts.items():
            correct = {order: winner[order] == gold(items[item_id]) for order in ("ab", "ba")}
            right["ab"] += correct["ab"]
            right["ba"] += correct["ba"]
            right["both"] += all(correct.values())
            right["equal"] += winner["ab"] == winner["ba"]
        n = len(verdicts)
        text = {name: f"{count} / {n} = {count / n * 100}%" for name, count in right.items()}
        expected = published(source, subset)
        assert text["ab"] == expected["correct_False"]
        assert text["ba"] == expected["correct_True"]
        assert text["both"] == expected["correct_both"]
        assert text["equal"] == expected["equal"]
        average = f"{(right['ab'] + right['ba']) / 2 / n * 100}%"
        assert average == expected["correct_average"]


@needs_mirror
def test_kappas_are_not_the_authors(items: dict[str, Item]) -> None:
    """Cohen's kappa in the frame of the content (first or second response), both orders pooled, a
    missing verdict being a class of its own."""
    found = {}
    for subset, verdicts in winners("GPT-4/Vanilla").items():
        pairs = [
            (gold(items[item_id]), -1 if winner is None else winner)
            for item_id, by_order in verdicts.items()
            for winner in by_order.values()
        ]
        found[subset] = round(float(cohens_kappa(to_table(pairs)[0]).kappa), 3)
    assert found == {
        "Natural": 0.908, "Neighbor": 0.571, "GPTInst": 0.729, "GPTOut": 0.558, "Manual": 0.607
    }  # fmt: skip
    assert round(published("GPT-4/Vanilla", "Natural")["kappa_average"], 3) == 0.270


@needs_mirror
def test_what_a_record_holds() -> None:
    records = list(LLMBar().recorded("ChatGPT/Rating"))
    assert {record["order"] for record in records} == {"ab", "ba"}
    assert all(record["winner"] in (0, 1) and "\n" in record["raw"] for record in records)
    missing = [r for r in LLMBar().recorded("Falcon/CoT") if r["winner"] is None]
    assert missing and any(record["raw"] for record in missing)


def test_sources_and_pins() -> None:
    prompts = defaultdict(set)
    for source in recorded_sources():
        model, prompt = source.split("/")
        prompts[prompt].add(model)
    assert {prompt: len(models) for prompt, models in prompts.items()} == {
        "Vanilla": 5, "CoT": 5, "Swap": 5, "Metrics_Reference": 5, "Rating": 2
    }  # fmt: skip
    files = pinned("princeton-nlp", "LLMBar", COMMIT, "llmbar.sha256")
    assert len(files) == 5 + 110
    assert len({source.sha256 for source in files.values()}) == 115


def test_unknown_names_are_told() -> None:
    with pytest.raises(BenchError, match=r"'GPT-4/vanilla'. There are: ChatGPT/CoT, .*GPT-4/Van"):
        next(iter(LLMBar().recorded("GPT-4/vanilla")))
    (spec,) = parse_specs("llmbar:Natural")
    with pytest.raises(BenchError, match="llmbar alone expected"):
        make(spec)
