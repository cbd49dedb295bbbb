"""JudgeLM-100K in miniature: a teacher's two scores a pair, and rows where it gave none."""

from __future__ import annotations

from typing import Any

import pytest
from hub import Hub, json_lines

from bench.spec import parse_spec
from bench.types import BenchError, Label, Task
from tasks.judgelm_100k import CARD, NO_VERDICT, make

REPO = "BAAI/JudgeLM-100K"


def row(text: str, score: Any = None, **changes: Any) -> dict[str, Any]:
    return {
        "review_id": "HZ",
        "question_id": 0,
        "answer1_id": "",
        "answer2_id": "",
        "reviewer_id": 1,
        "metadata": {},
        "text": text,
        "score": score,
        "question_body": "Which way is north?",
        "answer1_body": "Up.",
        "answer2_body": "Look at the moss.",
        "answer1_model_id": "first-7b",
        "answer2_model_id": "second-13b",
        "answer1_metadata": {"decoding_method": "top_p_sampling"},
        "answer2_metadata": {"decoding_method": "top_p_sampling"},
        "reference": {"text": "Use a compass.", "model": "somebody", "decoding_method": "None"},
        "score_w_reference": [9.0, 1.0],
        "text_w_reference": "9 1\nWith the reference the first is better.",
    } | changes


def task(hub: Hub, rows: list[dict[str, Any]]) -> Task:
    other = json_lines([{"question_id": 0, "score": [{"logprobs": -1.5}]}])
    files = {
        "README.md": b"# JudgeLM",
        "judgelm_train_100k.jsonl": json_lines(rows),
        "judgelm_val_5k.jsonl": other,
        "judgelm_val_5k_gpt4.jsonl": json_lines([{"text": "1 2"}]),
    }
    return make(parse_spec(f"judgelm_100k:revision={hub.put(REPO, files)}"))


def test_scores_are_utilities(hub: Hub) -> None:
    rows = [
        row("2 8\nThe second says how.", [2.0, 8.0]),
        row("7.5 3\nx", [7.5, 3.0]),
        row("5 5\nx", [5, 5]),
    ]
    items = list(task(hub, rows).items())
    assert [item.labels for item in items] == [
        (Label("teacher", (2.0, 8.0)),),
        (Label("teacher", (7.5, 3.0)),),
        (Label("teacher", (5.0, 5.0)),),
    ]
    assert [(r.text, r.model) for r in items[0].responses] == [
        ("Up.", "first-7b"),
        ("Look at the moss.", "second-13b"),
    ]
    assert items[0].reference == "Use a compass."
    assert items[0].prompt[0].content == "Which way is north?"
    assert [item.id for item in items] == [f"judgelm_100k/{n}" for n in range(3)]
    assert CARD.training_source
    assert "says how" not in str(items[0])


@pytest.mark.parametrize(
    ("line", "scores"),
    [
        ("2 8", (2.0, 8.0)),
        ("2, 8", (2.0, 8.0)),
        ("10,9.5", (10.0, 9.5)),
        (" 3\t4 ", (3.0, 4.0)),
        ("3 3", (3.0, 3.0)),
    ],
)
def test_without_a_list_the_first_line_counts(
    hub: Hub, line: str, scores: tuple[float, float]
) -> None:
    (item,) = task(hub, [row(f"{line}\n9 1 is not the verdict")]).items()
    assert item.labels == (Label("teacher", scores),)


def test_rows_without_a_verdict_are_left_out_and_counted(hub: Hub) -> None:
    good = row("2 8\nx", [2.0, 8.0])
    bad = [
        row("error", [3.0, 4.0]),
        row("x", [-1.0, -1.0]),
        row("Both are good.\n7 8"),
        row("7\n8"),
        row("7 8 9\nx"),
        row("-1 -1\nx"),
        row("nan 3\nx"),
        row(""),
    ]
    judgelm = task(hub, [bad[0], good, *bad[1:], good])
    assert [item.id for item in judgelm.items()] == ["judgelm_100k/1", "judgelm_100k/9"]
    assert judgelm.card.traps[-1] == f"Rows left out, {NO_VERDICT}: {len(bad)}."


def test_missing_values(hub: Hub) -> None:
    rows = [
        row("1 2", [1, 2], reference=None, answer1_model_id=""),
        row("1 2", [1, 2], reference={"text": None}),
    ]
    items = list(task(hub, rows).items())
    assert [item.reference for item in items] == [None, None]
    assert items[0].responses[0].model is None


def test_only_the_train_file_is_brought(hub: Hub) -> None:
    list(task(hub, [row("1 2")]).items())
    asked = {r.rpartition("/")[2] for r in hub.requests if "/resolve/" in r}
    assert asked == {"README.md", "judgelm_train_100k.jsonl"}


def test_splits(hub: Hub) -> None:
    judgelm = task(hub, [row("1 2", question_body=f"Question {n}?") for n in range(40)])
    every = [(item.id, item.split) for item in judgelm.items()]
    for split in ("train", "dev", "test"):
        found = [item.id for item in judgelm.items(split)]
        assert found == [name for name, own in every if own == split] != []


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([row("1 2", [1.0])], r"field score: \[1\.0\] found, two scores expected"),
        ([row("1 2", ["1", "2"])], r"field score\[0\]: \"1\" found, a number expected"),
        ([row("1 2", answer2_body=None)], "field answer2_body: nothing"),
        ([{"question_body": "x", "text": "1 2"}], "no column answer1_body, answer2_body, answer1_"),
    ],
)
def test_what_does_not_fit_is_told(hub: Hub, rows: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        list(task(hub, rows).items())
