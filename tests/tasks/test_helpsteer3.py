"""HelpSteer3 in miniature: every annotator's strength, the authors' splits, and what is odd."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hub import Hub, json_lines

from bench.spec import parse_spec
from bench.types import DOMAINS, BenchError, Item, Label, Message, Task
from tasks.helpsteer3 import CARD, SOURCE, make

REPO = "nvidia/HelpSteer3"
README = b"""---
configs:
- config_name: preference
  default: true
  data_files:
  - split: train
    path: preference/train.jsonl.gz
  - split: validation
    path: preference/validation.jsonl.gz
- config_name: edit
  data_files:
  - split: train
    path: edit/train.jsonl.gz
---
"""


def vote(score: object) -> dict[str, object]:
    reason = "@Response 1 is tidier than @Response 2."
    return {"score": score, "reasoning": reason, "feedback1": "Fine.", "feedback2": ""}


def row(**changes: Any) -> dict[str, Any]:
    return {
        "domain": "general",
        "language": "english",
        "context": [{"role": "user", "content": "Name a round fruit."}],
        "response1": "An orange is round.",
        "response2": "A pear.",
        "overall_preference": -2,
        "individual_preference": [vote(-2), vote(-1), vote(0)],
    } | changes


ROWS = [
    row(),
    row(  # several turns, the second response better, two annotators
        domain="code",
        language="python",
        context=[
            {"role": "user", "content": "Write a loop."},
            {"role": "assistant", "content": "for i in x: ..."},
            {"role": "user", "content": "Now backwards."},
        ],
        overall_preference=3,
        individual_preference=[vote(3), vote(2)],
    ),
    row(domain="stem", overall_preference=0, individual_preference=[]),
    row(domain="multilingual", language=None, overall_preference=1, individual_preference=None),
    row(),  # the same pair again
]


TRAIN = [row(response1="A plum.")] * 2


def put(hub: Hub, rows: list[dict[str, Any]], train: list[dict[str, Any]] = TRAIN) -> str:
    return hub.put(
        REPO,
        {
            "README.md": README,
            "preference/train.jsonl.gz": gzip.compress(json_lines(train)),
            "preference/validation.jsonl.gz": gzip.compress(json_lines(rows)),
            "edit/train.jsonl.gz": gzip.compress(json_lines([{"original": "x", "edited": "y"}])),
        },
    )


def task(sha: str, more: str = "") -> Task:
    return make(parse_spec(f"helpsteer3:revision={sha}{more}"))


@pytest.fixture
def items(hub: Hub) -> list[Item]:
    return list(task(put(hub, ROWS)).items())


def test_every_annotator_is_a_label_with_strength(items: list[Item]) -> None:
    assert [item.labels for item in items[:2]] == [
        (
            Label("annotator1", (2.0, 0.0)),
            Label("annotator2", (1.0, 0.0)),
            Label("annotator3", (0.0, 0.0)),
        ),
        (Label("annotator1", (0.0, 3.0)), Label("annotator2", (0.0, 2.0))),
    ]


def test_the_overall_preference_is_a_label_only_where_no_other_is(items: list[Item]) -> None:
    assert items[2].labels == (Label("overall", (0.0, 0.0)),)
    assert items[3].labels == (Label("overall", (0.0, 1.0)),)
    assert [item.meta["overall_preference"] for item in items] == [-2, 3, 0, 1, -2]


def test_prompts_domains_and_ids(items: list[Item]) -> None:
    assert items[1].prompt == (
        Message("user", "Write a loop."),
        Message("assistant", "for i in x: ..."),
        Message("user", "Now backwards."),
    )
    assert [response.text for response in items[0].responses] == ["An orange is round.", "A pear."]
    assert [(item.domain, item.subset) for item in items[:4]] == [
        ("chat", "general"),
        ("code", "code"),
        ("knowledge", "stem"),
        ("multilingual", "multilingual"),
    ]
    assert set(CARD.domains) <= set(DOMAINS)
    assert [item.meta["language"] for item in items[1:4]] == ["python", "english", None]
    assert [item.id for item in items] == [f"helpsteer3/validation/{n}" for n in range(5)]
    assert not any("tidier" in str(item) for item in items), "the reasons name the winner"


def test_only_the_preferences_are_brought(hub: Hub) -> None:
    list(task(put(hub, ROWS)).items())
    assert any("preference/validation" in request for request in hub.requests)
    assert not any("/edit/" in request for request in hub.requests)


def test_the_authors_splits_are_tasks_of_their_own(hub: Hub) -> None:
    sha = put(hub, ROWS)
    train = task(sha, ",split=train")
    items = list(train.items())
    assert [item.id for item in items] == ["helpsteer3/train/0", "helpsteer3/train/1"]
    assert items[0].responses[0].text == "A plum."
    assert {item.task for item in items} == {train.card.name} == {"helpsteer3:split=train"}
    assert task(sha, ",split=validation").card.name == "helpsteer3"
    assert train.card.revision == sha
    with pytest.raises(BenchError, match=r"no split 'test'\. There are: validation, train\."):
        task(sha, ",split=test")
    with pytest.raises(BenchError, match=r"no option 'spilt'\. Options: revision, split"):
        make(parse_spec("helpsteer3:spilt=train"))


def test_our_splits_follow_from_the_prompt(hub: Hub) -> None:
    rows = [row(context=[{"role": "user", "content": f"Question {n}?"}]) for n in range(40)]
    sha = put(hub, rows)
    every = {item.id: item.split for item in task(sha).items()}
    assert set(every.values()) == {"train", "dev", "test"}
    for split in ("train", "dev", "test"):
        found = [item.id for item in task(sha).items(split)]
        assert found == [name for name, own in every.items() if own == split]


def test_a_context_of_one_text(hub: Hub) -> None:
    rows = [row(context="Name a round fruit.")]
    (item,) = task(put(hub, rows, train=rows)).items()
    assert item.prompt == (Message("user", "Name a round fruit."),)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"domain": "poetry"}, "field domain: \"poetry\" found, one of 'general', 'code'"),
        ({"individual_preference": [vote(4)]}, r"\[0\]\.score: 4 found, a whole number from -3"),
        ({"individual_preference": [vote(None)]}, r"\[0\]\.score: nothing .* found, a number"),
        ({"context": []}, "field context: .* found, at least one message expected"),
        ({"context": [{"role": "model", "content": "x"}]}, "'system', 'user', 'assistant'"),
        ({"response2": None}, "field response2: nothing .* found, a string expected"),
    ],
)
def test_what_is_not_known_is_told(hub: Hub, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        list(task(put(hub, [row(**changes)])).items())


def test_a_missing_column_is_told_with_those_that_are_there(hub: Hub) -> None:
    old = row()
    del old["individual_preference"]
    with pytest.raises(
        BenchError, match=r"no column individual_preference\. Columns: domain, lang"
    ):
        list(task(put(hub, [old], train=[old])).items())


def test_files_of_different_types_are_told(hub: Hub) -> None:
    with pytest.raises(BenchError, match=r"nvidia/HelpSteer3 .* cannot be read: .* cast"):
        list(task(put(hub, [row(context="Name a round fruit.")])).items())


def test_a_local_copy(tmp_path: Path) -> None:
    copy = tmp_path / "validation.jsonl"
    copy.write_bytes(json_lines(ROWS))
    local = make(parse_spec(f"helpsteer3:{copy}"))
    assert len(list(local.items())) == len(ROWS)
    assert local.card.revision.startswith("sha256:")
    with pytest.raises(BenchError, match="a local copy has no revision"):
        make(parse_spec(f"helpsteer3:{copy},revision=abc"))


def test_the_revision_is_pinned() -> None:
    assert make(parse_spec("helpsteer3")).card.revision == SOURCE.revision
