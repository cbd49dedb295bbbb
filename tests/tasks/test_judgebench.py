"""JudgeBench from an imitation of the hub: invented rows in its true columns, and its traps."""

from __future__ import annotations

import pytest
from hub import Hub, json_lines

from bench.spec import parse_spec
from bench.types import BenchError, Item
from tasks.judgebench import claude, gpt

REPO = "ScalerLab/JudgeBench"
README = b"""---
configs:
- config_name: default
  data_files:
  - split: claude
    path: data/claude-*
  - split: gpt
    path: data/gpt-*
---
"""
WRITERS = {"gpt": "gpt-4o-2024-05-13", "claude": "claude-3-5-sonnet-20240620"}
DOMAIN_OF = {
    "mmlu-pro-computer science": "knowledge",
    "livebench-reasoning": "reasoning",
    "livebench-math": "math",
    "livecodebench": "code",
}


def row(split: str, number: int, source: str = "mmlu-pro-law", **changed: object):
    return {
        "pair_id": f"{number:08x}-28d5-5a3c-b1af-fedcf5543e72",
        "original_id": 1000 + number if source.startswith("mmlu") else None,
        "source": source,
        "question": f"question {number}",
        "response_model": WRITERS[split],
        "response_A": f"first answer to {number}",
        "response_B": f"second answer to {number}",
        "label": "A>B" if number % 2 else "B>A",
        **changed,
    }


def items(hub: Hub, rows, split: str = "gpt") -> list[Item]:
    files = {
        "README.md": README,
        "data/gpt-00000-of-00001.jsonl": json_lines([row("gpt", 0)]),
        "data/claude-00000-of-00001.jsonl": json_lines([row("claude", 0)]),
    } | {f"data/{split}-00000-of-00001.jsonl": json_lines(rows)}
    hub.put(REPO, files)
    factory = {"gpt": gpt, "claude": claude}[split]
    task = factory(parse_spec(f"judgebench_{split}"))
    found = list(task.items())
    assert len(task.card.revision) == 40
    return found


@pytest.mark.parametrize("split", ["gpt", "claude"])
def test_items(hub: Hub, split: str) -> None:
    rows = [row(split, n, source) for n, source in enumerate(DOMAIN_OF)]
    found = items(hub, rows, split)
    assert [item.id for item in found] == [f"judgebench_{split}/{r['pair_id']}" for r in rows]
    assert {item.task for item in found} == {f"judgebench_{split}"}
    assert {item.subset: item.domain for item in found} == DOMAIN_OF
    for original, item in zip(rows, found, strict=True):
        assert [r.text for r in item.responses] == [original["response_A"], original["response_B"]]
        assert [r.model for r in item.responses] == [WRITERS[split]] * 2
        assert item.prompt[0].content == original["question"]
        (label,) = item.labels
        assert label.utilities == ((1, 0) if original["label"] == "A>B" else (0, 1))
        assert item.meta == {"original_id": original["original_id"]}
    assert found[0].meta["original_id"] == 1000
    assert isinstance(found[0].meta["original_id"], int)


def test_the_other_split_is_not_brought(hub: Hub) -> None:
    items(hub, [row("claude", 1)], "claude")
    assert not any("gpt" in request for request in hub.requests if "resolve" in request)


def test_an_original_id_may_be_text_and_a_pair_id_may_come_twice(hub: Hub) -> None:
    rows = [row("gpt", 1, original_id="10646"), row("gpt", 1, original_id=None)]
    one, two = items(hub, rows)
    assert (one.meta["original_id"], two.meta["original_id"]) == ("10646", None)
    assert two.id == f"{one.id}~2"


def test_pairs_of_one_question_share_their_prompt_and_twins_are_kept(hub: Hub) -> None:
    twins = row("claude", 2, question="Question  1", response_A="x", response_B="x")
    one, two = items(hub, [row("claude", 1), twins], "claude")
    assert one.prompt_key == two.prompt_key
    assert {r.text for r in two.responses} == {"x"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"label": "A=B"}, r"gpt row 2, field label: \"A=B\" found, one of 'A>B', 'B>A' expected"),
        ({"source": "chess"}, r"field source: \"chess\" found, a source that begins with mmlu-pro"),
        ({"response_B": None}, "field response_B: nothing"),
    ],
)
def test_other_values_are_told(hub: Hub, changed, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        items(hub, [row("gpt", 1), row("gpt", 2, **changed)])


def test_a_missing_column_is_told(hub: Hub) -> None:
    with pytest.raises(BenchError, match=r"no column label\. Columns: pair_id, original_id"):
        items(hub, [{k: v for k, v in row("gpt", 1).items() if k != "label"}])
