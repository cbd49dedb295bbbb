"""Preference Collection in miniature: scores as text, a preference, and a criterion a pair."""

from __future__ import annotations

from typing import Any

import pytest
from hub import Hub, parquet

from bench.spec import parse_spec
from bench.types import BenchError, Label, Task
from tasks.preference_collection import CARD, make

REPO = "prometheus-eval/Preference-Collection"


def row(score_a: str, score_b: str, preference: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "orig_criteria": "[Is it short?]\nScore 1: no.\nScore 5: yes.",
        "orig_feedback_A": "Short enough.",
        "orig_feedback_B": "Wordy.",
        "orig_instruction": "Tell me the time.",
        "orig_reference_answer": "Noon.",
        "orig_response_A": "It is noon.",
        "orig_response_B": "As far as one can tell, it is noon.",
        "orig_score_A": score_a,
        "orig_score_B": score_b,
        "orig_preference": preference,
        "instruction": "###Task: which is better?",
        "output": "Feedback: A is short. [RESULT] A",
        "input": "",
        "orig_feedback": "A is short.",
    } | changes


def task(hub: Hub, rows: list[dict[str, Any]]) -> Task:
    """Half of the rows in each of two files, as the original has six."""
    half = len(rows) // 2
    files = {"README.md": b"# Preference Collection"}
    for at, part in enumerate((rows[:half], rows[half:])):
        if part:
            files[f"data/train-{at:05}-of-00002.parquet"] = parquet(part)
    return make(parse_spec(f"preference_collection:revision={hub.put(REPO, files)}"))


def test_scores_are_strengths_and_the_preference_decides(hub: Hub) -> None:
    rows = [
        row("5", "2", "A"),
        row("1", "4", "B"),
        row("3", "3", "B"),  # a tie of scores
        row("2", "4", "A"),  # scores that say the opposite
    ]
    assert [item.labels for item in task(hub, rows).items()] == [
        (Label("teacher", (5.0, 2.0)),),
        (Label("teacher", (1.0, 4.0)),),
        (Label("teacher", (0.0, 1.0)),),
        (Label("teacher", (1.0, 0.0)),),
    ]


@pytest.mark.parametrize("written", ["B", "b", "Response B", " response b ", "ResponseB"])
def test_ways_to_write_a_preference(hub: Hub, written: str) -> None:
    (item,) = task(hub, [row("1", "2", written)]).items()
    assert item.labels == (Label("teacher", (1.0, 2.0)),)


def test_items(hub: Hub) -> None:
    items = list(task(hub, [row("5", "2", "A"), row("5", "2", "A")]).items())
    assert [item.id for item in items] == ["preference_collection/0", "preference_collection/1"]
    item = items[0]
    assert item.prompt[0].content == "Tell me the time."
    assert [(r.id, r.text) for r in item.responses] == [
        ("A", "It is noon."),
        ("B", "As far as one can tell, it is noon."),
    ]
    assert item.reference == "Noon."
    assert item.meta == {"criteria": "[Is it short?]\nScore 1: no.\nScore 5: yes."}
    assert "Wordy" not in str(item), "feedback tells the verdict"
    assert CARD.training_source


def test_splits(hub: Hub) -> None:
    rows = [row("5", "2", "A", orig_instruction=f"Question {n}?") for n in range(40)]
    collection = task(hub, rows)
    every = [(item.id, item.split) for item in collection.items()]
    assert len(every) == 40
    for split in ("train", "dev", "test"):
        found = [item.id for item in collection.items(split)]
        assert found == [name for name, own in every if own == split] != []


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (row("6", "2", "A"), "field orig_score_A: \"6\" found, one of '1', '2', '3', '4', '5'"),
        (row("5", "", "A"), 'field orig_score_B: "" found'),
        (row("5", "2", "both"), 'field orig_preference: "both" found, A or B expected'),
        (row("5", "2", None), "field orig_preference: nothing .* found, a string expected"),
        ({"instruction": "x", "output": "y"}, "no column orig_instruction, orig_response_A, orig"),
    ],
)
def test_what_is_not_known_is_told(hub: Hub, bad: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        list(task(hub, [bad]).items())
