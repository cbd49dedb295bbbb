"""Arena 140k from a hub with its true schema: blocks, images, turns, tags that are missing."""

from __future__ import annotations

from typing import Any, get_args

import pyarrow as pa
import pytest
from hub import Hub, parquet

from bench.spec import parse_spec
from bench.types import BenchError, Item, Split, Task
from tasks.arena_140k import CARD, SOURCE, make

BLOCK = pa.struct([(n, pa.string()) for n in ("type", "text", "image", "mimeType")])
MESSAGE = [("role", pa.string()), ("content", pa.list_(BLOCK))]
SIDE_B = [*MESSAGE, ("num_tokens", pa.int32())]
CRITERIA = ("complexity", "creativity", "domain_knowledge", "problem_solving", "real_world")
SCHEMA = pa.schema(
    [
        *((n, pa.string()) for n in ("id", "model_a", "model_b", "winner")),
        ("evaluation_session_id", pa.string()),
        ("evaluation_order", pa.int32()),
        ("conversation_a", pa.list_(pa.struct(MESSAGE))),
        ("conversation_b", pa.list_(pa.struct(SIDE_B))),
        (
            "full_conversation",
            pa.list_(
                pa.struct(
                    [(n, pa.struct(MESSAGE)) for n in ("user", "model_side_a", "model_side_b")]
                )
            ),
        ),
        (
            "conv_metadata",
            pa.struct([("sum_assistant_a_tokens", pa.int32()), ("turns", pa.int32())]),
        ),
        (
            "category_tag",
            pa.struct(
                [
                    (
                        "creative_writing_v0.1",
                        pa.struct([("creative_writing", pa.bool_()), ("score", pa.string())]),
                    ),
                    ("criteria_v0.1", pa.struct([(n, pa.bool_()) for n in CRITERIA])),
                    ("if_v0.1", pa.struct([("if", pa.bool_()), ("score", pa.int64())])),
                    ("math_v0.1", pa.struct([("math", pa.bool_())])),
                ]
            ),
        ),
        ("language", pa.string()),
        ("is_code", pa.bool_()),
        ("timestamp", pa.timestamp("us")),
    ]
)
README = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
---
"""


def text(*parts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": part, "image": None, "mimeType": None} for part in parts]


def said(*turns: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"role": ("user", "assistant")[i % 2], "content": text(t) if isinstance(t, str) else t}
        for i, t in enumerate(turns)
    ]


def tags(creative: bool | None = False, follows: bool = False, math: bool = False) -> Any:
    return {
        "creative_writing_v0.1": {"creative_writing": creative, "score": "no"},
        "criteria_v0.1": dict.fromkeys(CRITERIA, True),
        "if_v0.1": {"if": follows, "score": 5},
        "math_v0.1": {"math": math},
    }


IMAGE = [*text("look"), {"type": "image", "text": None, "image": "u", "mimeType": "image/png"}]


def row(name: str, winner: str = "model_a", **values: Any) -> dict[str, Any]:
    return {
        "id": name,
        "model_a": "gemini-x",
        "model_b": "claude-y",
        "winner": winner,
        "evaluation_session_id": f"session of {name}",
        "evaluation_order": 1,
        "conversation_a": said(f"hello {name}", "A here"),
        "conversation_b": said(f"hello {name}", "B here"),
        "full_conversation": [],
        "conv_metadata": {"sum_assistant_a_tokens": 2, "turns": 1},
        "category_tag": tags(),
        "language": "en",
        "is_code": False,
        **values,
    }


def load(hub: Hub, *shards: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> Task:
    assert SOURCE.revision is not None
    hub.repos[SOURCE.repo] = {
        SOURCE.revision: {
            "README.md": README.encode(),
            **{
                f"data/train-{i:05}-of-{len(shards):05}.parquet": parquet(shard, schema)
                for i, shard in enumerate(shards)
            },
        }
    }
    return make(parse_spec("arena_140k"))


def read(hub: Hub, *rows: dict[str, Any]) -> list[Item]:
    return list(load(hub, list(rows)).items())


def test_votes(hub: Hub) -> None:
    shards = [[row("1"), row("2", "model_b")], [row("3", "tie"), row("4", "both_bad")]]
    task = load(hub, *shards)
    items = list(task.items())
    assert [item.id for item in items] == [f"arena_140k/{i}" for i in (1, 2, 3, 4)]
    assert [[(x.annotator, x.utilities) for x in item.labels] for item in items] == [
        [("voter", (1, 0))],
        [("voter", (0, 1))],
        [("voter", (0, 0))],
        [("voter", (0, 0))],
    ]
    assert [item.meta["both_bad"] for item in items] == [False, False, False, True]
    assert [(r.model, r.text) for r in items[0].responses] == [
        ("gemini-x", "A here"),
        ("claude-y", "B here"),
    ]
    assert items[0].prompt[0].content == "hello 1"
    assert task.card.revision == "6322995ab34d7c2693e3f47dd13fa5caa0789a74"
    assert task.card.traps == CARD.traps  # nothing was left out


def test_the_session_is_the_cluster(hub: Hub) -> None:
    one, two = read(
        hub,
        row("1", evaluation_session_id="s"),
        row("2", evaluation_session_id="s", evaluation_order=2),
    )
    assert one.cluster == two.cluster == "session/s"
    assert (one.meta["evaluation_order"], two.meta["evaluation_order"]) == (1, 2)


def test_several_turns_and_several_blocks(hub: Hub) -> None:
    (item,) = read(
        hub,
        row(
            "1",
            conversation_a=said(text("why", "oh why"), "so", "again", "A two"),
            conversation_b=said(text("why", "oh why"), [], "again", "B two"),
        ),
    )
    assert [m.content for m in item.prompt] == ["why\n\noh why", "again"]
    assert [r.text for r in item.responses] == [
        "[Answer to message 1]\nso\n\n[Answer to message 2]\nA two",
        "[Answer to message 1]\n\n\n[Answer to message 2]\nB two",
    ]


def test_what_is_left_out_is_counted_in_the_card(hub: Hub) -> None:
    rows = [
        row("1"),
        row("2", conversation_a=said(IMAGE, "A"), conversation_b=said(IMAGE, "B")),
        row("3", conversation_a=said("draw", IMAGE), conversation_b=said("draw", "B")),
        row("4", conversation_a=said("x", "A"), conversation_b=said("y", "B")),
        row("5", conversation_a=said([], "A"), conversation_b=said([], "B")),
        row("6", conversation_a=said("x", "A", "more"), conversation_b=said("x", "B", "more")),
        row("7"),
    ]
    task = load(hub, rows)
    for _ in range(2):  # told once, however often it is read
        assert {item.id for item in task.items()} == {"arena_140k/1", "arena_140k/7"}
        assert task.card.traps[len(CARD.traps) :] == (
            "Rows left out, a user message without text: 1.",
            "Rows left out, showing an image: 2.",
            "Rows left out, turns that do not go from user to assistant and end there: 1.",
            "Rows left out, two sides with different user messages: 1.",
        )


def test_splits_part_the_items(hub: Hub) -> None:
    task = load(hub, [row(f"{i}") for i in range(60)])
    train, dev, test = ([i.id for i in task.items(split)] for split in get_args(Split))
    assert train and dev and test
    assert sorted(train + dev + test) == sorted(item.id for item in task.items())


def test_domains_follow_the_tags(hub: Hub) -> None:
    everything = tags(creative=True, follows=True, math=True)
    items = read(
        hub,
        row("code", is_code=True, category_tag=everything),
        row("math", category_tag=everything),
        row("story", category_tag=tags(creative=True, follows=True), language="pl"),
        row("rules", category_tag=tags(follows=True), language="<err>"),
        row("none"),
        row("untagged", category_tag=None, is_code=None, language=None),
        row("partly", category_tag={**tags(follows=True), "math_v0.1": None}),
        row("unsure", category_tag=tags(creative=None)),
    )
    assert [item.domain for item in items] == [
        "code",
        "math",
        "creative-writing",
        "instruction-following",
        "chat",
        "chat",
        "instruction-following",
        "chat",
    ]
    assert [item.subset for item in items[2:6]] == ["pl", "<err>", "en", None]
    assert {item.domain for item in items} == set(CARD.domains)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (row("1", "neither"), r'row 1, field winner: "neither" found, "model_a", "model_b"'),
        (row("1", None), r"field winner: nothing \(null or no such field\) found, a string"),
        (
            row("1", conversation_a=said([{"type": "audio", "text": "x"}], "A")),
            r"field conversation_a\[0\].content\[0\].type: \"audio\" found, one of 'text'",
        ),
        (row("1", evaluation_session_id=None), "field evaluation_session_id: nothing"),
    ],
)
def test_a_row_that_is_not_what_it_should_be_is_told(
    hub: Hub, wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(BenchError, match=told):
        read(hub, wrong)


def test_the_schema_of_another_release_is_told(hub: Hub) -> None:
    """In the 100k release content is a text, and there is no session."""
    old = {"question_id": "q", "winner": "tie", "conversation_a": [{"role": "u", "content": "x"}]}
    with pytest.raises(BenchError, match=r"no column id, model_a.*Columns: question_id, winner"):
        list(load(hub, [old], schema=pa.Table.from_pylist([old]).schema).items())
