"""PPE human preference from a hub with its true schema: ties, repeated questions, turns."""

from __future__ import annotations

from typing import Any, get_args

import pyarrow as pa
import pytest
from hub import Hub, parquet

from bench.spec import parse_spec
from bench.types import BenchError, Item, Split, Task
from tasks.ppe_human import CARD, SOURCE, make

TEXTS = ("question_id", "model_a", "model_b", "winner", "prompt", "response_1", "response_2")
TOKENS = ("context_a_tokens", "context_b_tokens", "sum_user_tokens", "turns")
FLAGS = ("hard_prompt", "easy_prompt", "if_prompt", "math_prompt")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in (*TEXTS, "language")),
        ("conv_metadata", pa.struct([(name, pa.int64()) for name in TOKENS])),
        *((name, pa.bool_()) for name in ("is_code", "is_refusal")),
        ("category_tag", pa.struct([("math_v0.1", pa.struct([("math", pa.bool_())]))])),
        *((name, pa.int64()) for name in ("length_a", "length_b")),
        ("token_diff", pa.float64()),
        ("longer_won", pa.string()),
        *((name, pa.bool_()) for name in FLAGS),
    ]
)
README = """---
configs:
- config_name: default
  data_files:
  - split: test
    path: data/test-*
---
"""


def row(name: str, winner: str | None = "model_a", turns: int = 1, **values: Any) -> dict[str, Any]:
    return {
        "question_id": name,
        "model_a": "gpt-x",
        "model_b": "llama-y",
        "winner": winner,
        "prompt": f"hello {name}",
        "response_1": "A here",
        "response_2": "B here",
        "language": "English",
        "conv_metadata": {**dict.fromkeys(TOKENS, 3), "turns": turns},
        **dict.fromkeys(("is_code", "is_refusal", *FLAGS), False),
        **values,
    }


def load(hub: Hub, rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> Task:
    body = parquet(rows, schema)
    hub.put(SOURCE.repo, {"README.md": README.encode(), "data/test-00000-of-00001.parquet": body})
    return make(parse_spec("ppe_human"))


def read(hub: Hub, *rows: dict[str, Any]) -> list[Item]:
    return list(load(hub, list(rows)).items())


def test_votes(hub: Hub) -> None:
    items = read(
        hub,
        row("q"),
        row("r", "model_b"),
        row("s", "tie"),
        row("t", "tie (bothbad)", language="Polish"),
    )
    assert [item.labels[0].utilities for item in items] == [(1, 0), (0, 1), (0, 0), (0, 0)]
    assert [item.meta["both_bad"] for item in items] == [False, False, False, True]
    assert {x.annotator for item in items for x in item.labels} == {"voter"}
    # The label speaks of model_a and model_b, the texts are numbered.
    assert [(r.model, r.text) for r in items[0].responses] == [
        ("gpt-x", "A here"),
        ("llama-y", "B here"),
    ]
    assert [item.subset for item in items] == ["English", "English", "English", "Polish"]


def test_a_question_may_stand_on_several_votes(hub: Hub) -> None:
    items = read(hub, row("q"), row("r"), row("q", turns=2), row("q", "model_b"))
    assert [item.id for item in items] == ["ppe_human/q", "ppe_human/r", "ppe_human/q/3"]
    assert items[2].labels[0].utilities == (0, 1)


def test_conversations_of_several_turns_are_left_out_and_counted(hub: Hub) -> None:
    task = load(hub, [row("q", turns=2), row("r"), row("s", turns=7)])
    assert "resolved when it is read" in task.card.revision
    assert [item.id for item in task.items()] == ["ppe_human/r"]
    assert task.card.revision == next(iter(hub.repos[SOURCE.repo]))
    assert task.card.traps == (
        *CARD.traps,
        "Rows left out, a conversation of several turns: 2.",
    )


def test_domains_follow_the_tags(hub: Hub) -> None:
    items = read(
        hub,
        row("code", is_code=True, math_prompt=True, if_prompt=True),
        row("math", math_prompt=True, if_prompt=True),
        row("rules", if_prompt=True),
        row("none", hard_prompt=True, is_refusal=True),
    )
    assert [item.domain for item in items] == ["code", "math", "instruction-following", "chat"]
    assert {item.domain for item in items} == set(CARD.domains)


def test_splits_part_the_items(hub: Hub) -> None:
    task = load(hub, [row(f"{i}") for i in range(60)])
    train, dev, test = ([i.id for i in task.items(split)] for split in get_args(Split))
    assert train and dev and test
    assert sorted(train + dev + test) == sorted(item.id for item in task.items())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (row("q", "response_1"), r'row 1, field winner: "response_1" found, "model_a", "model_b"'),
        (row("q", None), r"field winner: nothing"),
        (row("q", turns=0), r"field conv_metadata.turns: 0 found, one turn or more"),
        (row("q", conv_metadata=None), r"field conv_metadata: nothing"),
        (row("q", is_code=None), r"field is_code: nothing .* true or false expected"),
    ],
)
def test_a_row_that_is_not_what_it_should_be_is_told(
    hub: Hub, wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(BenchError, match=told):
        read(hub, wrong)


def test_a_missing_column_is_told(hub: Hub) -> None:
    schema = SCHEMA.remove(SCHEMA.get_field_index("math_prompt"))
    with pytest.raises(BenchError, match=r"no column math_prompt\. Columns: question_id, model_a"):
        list(load(hub, [row("q")], schema).items())
