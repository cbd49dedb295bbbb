"""MultiPref in miniature: two pools of annotators known by id, in the columns of the original."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hub import Hub, json_lines, parquet

from bench.spec import parse_spec
from bench.types import DOMAINS, BenchError, Item, Label, Task
from tasks.multipref import CARD, make

REPO = "allenai/multipref"
README = b"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
- config_name: gpt4_overall_binarized
  data_files:
  - split: train
    path: gpt4_overall_binarized/train-*
---
"""
ASPECTS = ("overall", "helpful", "truthful", "harmless")
_TEXTS = pa.string()
ANNOTATION = pa.struct(
    [
        ("evaluator", _TEXTS),
        *[(f"{aspect}_pref", _TEXTS) for aspect in ASPECTS],
        *[(f"{aspect}_confidence", _TEXTS) for aspect in ASPECTS],
        *[(f"{aspect}_checked_reasons", pa.list_(_TEXTS)) for aspect in ASPECTS[1:]],
        *[(f"{aspect}_own_reason", _TEXTS) for aspect in ASPECTS[1:]],
        ("time_spent", pa.int64()),
        ("timestamp", _TEXTS),
    ]
)
SCHEMA = pa.schema(
    [
        *[
            (name, _TEXTS)
            for name in (
                *("comparison_id", "prompt_id", "text", "model_a", "model_b", "completion_a"),
                *("completion_b", "source", "category", "subject_study", "highest_level_degree"),
            )
        ],
        ("normal_worker_annotations", pa.list_(ANNOTATION)),
        ("expert_worker_annotations", pa.list_(ANNOTATION)),
    ]
)


def said(evaluator: str, preference: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "evaluator": evaluator,
        "overall_pref": preference,
        "overall_confidence": "fairly-confident",
        "helpful_pref": "B-is-clearly-better",
        "helpful_checked_reasons": ["Answers the question"],
        "time_spent": 120,
    } | changes


def row(name: str, normal: Any = (), expert: Any = (), **changes: Any) -> dict[str, Any]:
    return {
        "comparison_id": name,
        "prompt_id": "p1",
        "text": "Describe a quiet street.",
        "model_a": "small-model",
        "completion_a": "Trees and shade.",
        "model_b": "large-model",
        "completion_b": "No cars.",
        "source": "wildchat",
        "category": "Generation",
        "subject_study": "Geography",
        "highest_level_degree": "Bachelor",
        "normal_worker_annotations": normal if normal is None else list(normal),
        "expert_worker_annotations": expert if expert is None else list(expert),
    } | changes


ROWS = [
    row(
        "c0",
        [said("w1", "A-is-clearly-better"), said("w2", "B-is-slightly-better")],
        [said("w1", "Tie"), said("e2", "B-is-clearly-better")],
    ),
    row(  # case and spaces; no preference; the same worker again
        "c1",
        [said("w1", " a-is-SLIGHTLY-better"), said("w2", None), said("w1", "B-is-better")],
        [said("e2", "A-is-better"), said("e3", "tie")],
        category="Coding",
    ),
    row("c2", None, [], category=None),  # nobody judged it
    row("c3", [said("w1", "Tie")], [], source="anthropic/harmless-base", category="Coding"),
    row("c4", [said("w1", "Tie")], [], category="Summarize", model_a=None),
]


def files(rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> dict[str, bytes]:
    return {
        "README.md": README,
        "data/train-00000-of-00001.parquet": parquet(rows, schema),
        "gpt4_overall_binarized/train-00000-of-00001.parquet": parquet([{"prompt": "x"}]),
        "MultiPref-Train.jsonl": json_lines([{"older": "copy"}]),
        "features/multipref-features.jsonl": json_lines([{"length": 3}]),
    }


def task(sha: str) -> Task:
    return make(parse_spec(f"multipref:revision={sha}"))


@pytest.fixture
def items(hub: Hub) -> list[Item]:
    return list(task(hub.put(REPO, files(ROWS))).items())


def test_annotators_are_persons_of_two_pools(items: list[Item]) -> None:
    assert items[0].labels == (
        Label("normal/w1", (2.0, 0.0)),
        Label("normal/w2", (0.0, 1.0)),
        Label("expert/w1", (0.0, 0.0)),
        Label("expert/e2", (0.0, 2.0)),
    )
    assert items[0].retests == ()
    votes = Counter(label.annotator for item in items for label in item.labels)
    assert votes["normal/w1"] == 4
    assert votes["expert/w1"] == 1


def test_a_second_judgement_is_a_retest_and_none_is_no_label(items: list[Item]) -> None:
    assert items[1].labels == (
        Label("normal/w1", (1.0, 0.0)),
        Label("expert/e2", (1.5, 0.0)),
        Label("expert/e3", (0.0, 0.0)),
    )
    assert items[1].retests == (Label("normal/w1", (0.0, 1.5)),)
    assert items[2].labels == ()


def test_items(items: list[Item]) -> None:
    assert [item.id for item in items] == [f"multipref/c{n}" for n in range(5)]
    assert [(response.text, response.model) for response in items[0].responses] == [
        ("Trees and shade.", "small-model"),
        ("No cars.", "large-model"),
    ]
    assert items[0].prompt[0].content == "Describe a quiet street."
    assert [(item.domain, item.subset) for item in items] == [
        ("chat", "Generation"),
        ("code", "Coding"),
        ("chat", None),
        ("safety", "Coding"),
        ("summarization", "Summarize"),
    ]
    assert {item.domain for item in items} == set(CARD.domains) <= set(DOMAINS)
    assert items[4].responses[0].model is None
    assert items[3].meta == {"prompt_id": "p1", "source": "anthropic/harmless-base"}


def test_a_comparison_that_is_there_twice(hub: Hub) -> None:
    sha = hub.put(REPO, files([row("c0"), row("c1"), row("c0", text="Another street.")]))
    names = [item.id for item in task(sha).items()]
    assert names == ["multipref/c0", "multipref/c1", "multipref/c0~2"]


def test_only_the_default_configuration_is_brought(hub: Hub) -> None:
    sha = hub.put(REPO, files(ROWS))
    list(task(sha).items())
    asked = {r.rpartition(f"{sha}/")[2] for r in hub.requests if "/resolve/" in r}
    assert asked == {"README.md", "data/train-00000-of-00001.parquet"}


def test_an_older_layout_is_told_with_its_files(hub: Hub) -> None:
    sha = hub.put(REPO, {"README.md": b"# old", "MultiPref-Train.jsonl": json_lines(ROWS)})
    with pytest.raises(BenchError, match=r"has no file data/\*\. There are: README\.md"):
        list(task(sha).items())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (said("w1", "A-is-fine"), r"\[0\]\.overall_pref: \"A-is-fine\" found, one of a-is-clearly"),
        (said("", "Tie"), r"evaluator: \"\" found, a string that is not empty expected"),
    ],
)
def test_what_is_not_known_is_told(hub: Hub, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        list(task(hub.put(REPO, files([row("c0", [changed])]))).items())


def test_a_missing_column_is_told(hub: Hub) -> None:
    schema = SCHEMA.remove(SCHEMA.get_field_index("expert_worker_annotations"))
    rows = [{k: v for k, v in row("c0").items() if k != "expert_worker_annotations"}]
    with pytest.raises(BenchError, match=r"no column expert_worker_annotations\. Columns: compar"):
        list(task(hub.put(REPO, files(rows, schema))).items())


def test_splits(hub: Hub) -> None:
    rows = [row(f"c{n}", text=f"Question {n}?") for n in range(40)]
    sha = hub.put(REPO, files(rows))
    every = {item.id: item.split for item in task(sha).items()}
    assert [i.id for i in task(sha).items("dev")] == [k for k, v in every.items() if v == "dev"]
    assert set(every.values()) == {"train", "dev", "test"}
