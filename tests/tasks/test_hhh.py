"""HHH from Prometheus's file: instruction and response out of the judge prompt, in every row."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from bench.spec import parse_specs
from bench.types import BenchError, Item
from tasks.hhh import COMMIT, HHH, MARKERS, make, unwrapped

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(HHH().items())


@pytest.fixture(scope="module")
def raw(mirror: Path) -> list[dict[str, str]]:
    folder = mirror / f"github.com/prometheus-eval/prometheus-eval/{COMMIT}"
    return json.loads((folder / "eval/benchmark/data/hhh_alignment_eval.json").read_text("utf-8"))


def better(item: Item) -> tuple[str, str]:
    """The texts of the better and of the worse response."""
    (label,) = item.labels
    assert label.annotator == "gold"
    at = label.utilities.index(1.0)
    return item.responses[at].text, item.responses[1 - at].text


@needs_mirror
def test_items_are_what_stands_in_the_prompts(items: list[Item], raw: list[dict[str, str]]) -> None:
    """Each section of the prompt by a pattern over its headings, beside what the task took out."""
    assert len(items) == len(raw) == 221
    names = {"user": "Human", "assistant": "Assistant"}
    for item, row in zip(items, raw, strict=True):
        said = "\n\n".join(f"{names[m.role]}: {m.content}" for m in item.prompt)
        for text, prompt in zip(
            better(item), (row["chosen_instruction"], row["rejected_instruction"]), strict=True
        ):
            headings = re.split(r"(?:^|\n\n)###[A-Za-z ]+: ?\n?", prompt)
            _, _, instruction, response, _, feedback = headings
            assert response == text
            assert f"Human: {instruction}".split() == said.split()
            assert feedback == ""


@needs_mirror
def test_counts(items: list[Item]) -> None:
    assert Counter(item.subset for item in items) == {
        "helpful": 59, "honest": 61, "harmless": 58, "other": 43}  # fmt: skip
    assert Counter(item.domain for item in items) == {"chat": 163, "safety": 58}
    assert {item.domain for item in items if item.subset == "harmless"} == {"safety"}
    assert len({item.prompt for item in items}) == 102
    assert len({r.text for item in items for r in item.responses}) == 258
    assert max(Counter(item.prompt for item in items).values()) == 15
    assert Counter(len(item.prompt) for item in items) == {1: 180, 3: 40, 5: 1}
    assert {item.prompt[-1].role for item in items} == {"user"}


@needs_mirror
def test_the_longest(items: list[Item]) -> None:
    """Of every subset; no length is in a tie with another's."""
    credit: dict[str, list[float]] = {"all": []}
    for item in items:
        right, wrong = map(len, better(item))
        value = 0.5 if right == wrong else float(right > wrong)
        credit["all"].append(value)
        credit.setdefault(item.subset or "", []).append(value)
    means = {name: round(sum(values) / len(values), 3) for name, values in credit.items()}
    assert means == {
        "all": 0.633, "helpful": 0.703, "honest": 0.639, "harmless": 0.621, "other": 0.547
    }  # fmt: skip


@needs_mirror
def test_the_order_gives_nothing_away(items: list[Item]) -> None:
    first = sum(item.labels[0].utilities[0] for item in items)
    assert 0.4 < first / len(items) < 0.6
    assert {tuple(r.id for r in item.responses) for item in items} == {("a", "b")}


def test_a_prompt_without_its_markers_is_told() -> None:
    begin, middle, end = MARKERS
    assert unwrapped(f"Do.\n\n{begin}Q{middle}A{end}R", "row 1") == ("Q", "A")
    with pytest.raises(BenchError, match=r"row 1: each of .* expected once"):
        unwrapped(f"{begin}Q{middle}A", "row 1")
    with pytest.raises(BenchError, match=r"row 1: each of .* expected once"):
        unwrapped(f"{begin}Q{middle}A{middle}B{end}", "row 1")
    with pytest.raises(BenchError, match="in this order"):
        unwrapped(f"{middle}A{begin}Q{end}", "row 1")


def test_it_has_no_settings() -> None:
    (spec,) = parse_specs("hhh:x=1")
    with pytest.raises(BenchError, match="hhh alone expected"):
        make(spec)
