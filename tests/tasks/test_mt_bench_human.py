"""MT-Bench from a hub with its true schema: swapped pairs, both turns, second votes, GPT-4."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pyarrow as pa
import pytest
from hub import Hub, parquet

from bench.plan import trials
from bench.registry import make_judge
from bench.spec import parse_spec
from bench.types import BenchError, Context, Item, Split, Status, Task
from tasks.mt_bench_human import SOURCE, make

TURN = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))
SCHEMA = pa.schema(
    [
        ("question_id", pa.int64()),
        ("model_a", pa.string()),
        ("model_b", pa.string()),
        ("winner", pa.string()),
        ("judge", pa.string()),
        ("conversation_a", TURN),
        ("conversation_b", TURN),
        ("turn", pa.int64()),
    ]
)
README = """---
dataset_info:
  splits:
  - name: human
    num_examples: 7
  - name: gpt4_pair
    num_examples: 3
license: cc-by-4.0
---
"""


def conversation(question: int, model: str, messages: int = 4) -> list[dict[str, str]]:
    texts = [f"ask {question} first", f"{model} replies first", f"ask {question} then"]
    texts.append(f"{model} replies then")
    roles = ("user", "assistant", "user", "assistant")
    return [{"content": t, "role": r} for t, r in zip(texts, roles, strict=True)][:messages]


def row(question: int, a: str, b: str, winner: str, judge: str, turn: int = 1) -> dict[str, object]:
    return {
        "question_id": question,
        "model_a": a,
        "model_b": b,
        "winner": winner,
        "judge": judge,
        "conversation_a": conversation(question, a),
        "conversation_b": conversation(question, b),
        "turn": turn,
    }


HUMAN = [
    row(81, "gpt-4", "alpaca-13b", "model_a", "expert_3"),  # the other way round: gpt-4 won
    row(81, "alpaca-13b", "gpt-4", "model_a", "expert_7"),
    row(81, "alpaca-13b", "gpt-4", "Tie", "author_0"),
    row(81, "gpt-4", "alpaca-13b", "model_b", "expert_3"),  # asked again, changed their mind
    row(81, "alpaca-13b", "gpt-4", "model_b", "expert_3", turn=2),
    row(111, "claude-v1", "llama-13b", "model_a", "author_2", turn=2),
    row(160, "claude-v1", "llama-13b", "tie (bothbad)", "expert_1"),
]
GPT4 = [
    row(81, "gpt-4", "alpaca-13b", "model_a", "gpt4_pair"),
    row(81, "alpaca-13b", "gpt-4", "tie (inconsistent)", "gpt4_pair", turn=2),
    row(160, "claude-v1", "llama-13b", "model_a", "gpt4_pair"),
    row(111, "claude-v1", "llama-13b", "model_b", "gpt4_pair", turn=2),
    row(82, "claude-v1", "llama-13b", "model_a", "gpt4_pair"),  # no human judged it
]


def files(human: list[dict[str, object]], gpt4: list[dict[str, object]] = GPT4) -> dict[str, bytes]:
    return {
        "README.md": README.encode(),
        "data/human-00000-of-00001-25f4910818759289.parquet": parquet(human, SCHEMA),
        "data/gpt4_pair-00000-of-00001-c0b431264a82ddc0.parquet": parquet(gpt4, SCHEMA),
        "human_judgments.json": b"not asked for",
    }


def load(hub: Hub, human: list[dict[str, object]], gpt4: list[dict[str, object]] = GPT4) -> Task:
    assert SOURCE.revision is not None
    hub.repos[SOURCE.repo] = {SOURCE.revision: files(human, gpt4)}
    return make(parse_spec("mt_bench_human"))


def votes(item: Item) -> dict[str, tuple[float, ...]]:
    return {label.annotator: label.utilities for label in item.labels}


def test_one_item_a_question_pair_and_turn(hub: Hub) -> None:
    task = load(hub, HUMAN)
    first, second, math, last = task.items()
    assert [item.id for item in (first, second, math, last)] == [
        "mt_bench_human/81/alpaca-13b/gpt-4/1",
        "mt_bench_human/81/alpaca-13b/gpt-4/2",
        "mt_bench_human/111/claude-v1/llama-13b/2",
        "mt_bench_human/160/claude-v1/llama-13b/1",
    ]
    assert votes(first) == {"expert_3": (0, 1), "expert_7": (1, 0), "author_0": (0, 0)}
    assert [(x.annotator, x.utilities) for x in first.retests] == [("expert_3", (1, 0))]
    assert votes(last) == {"expert_1": (0, 0)}
    assert [(item.subset, item.domain) for item in (first, math, last)] == [
        ("writing", "creative-writing"),
        ("math", "math"),
        ("humanities", "knowledge"),
    ]
    assert [item.meta["turn"] for item in (first, second)] == [1, 2]
    assert task.card.revision == SOURCE.revision
    assert not any("human_judgments.json" in request for request in hub.requests)


def test_turn_one_is_cut_to_the_first_answer(hub: Hub) -> None:
    first, second, *_ = load(hub, HUMAN).items()
    assert [message.content for message in first.prompt] == ["ask 81 first"]
    assert [(r.model, r.text) for r in first.responses] == [
        ("alpaca-13b", "alpaca-13b replies first"),
        ("gpt-4", "gpt-4 replies first"),
    ]
    assert [(m.role, m.content) for m in second.prompt] == [
        ("user", "ask 81 first"),
        ("user", "ask 81 then"),
    ]
    assert second.responses[1].text == (
        "[Answer to message 1]\ngpt-4 replies first\n\n[Answer to message 2]\ngpt-4 replies then"
    )
    # Both turns of a question are one prompt: one cluster, one split.
    assert first.prompt_key == second.prompt_key
    assert first.split == second.split


def test_splits_part_the_items(hub: Hub) -> None:
    task = load(hub, [row(q, "a", "b", "tie", "expert_1") for q in range(81, 161)])
    train, dev, test = ([i.id for i in task.items(split)] for split in get_args(Split))
    assert train and dev and test
    assert sorted(train + dev + test) == sorted(item.id for item in task.items())


def test_gpt4_is_recorded_as_one_showing_of_both_orders(hub: Hub) -> None:
    task = load(hub, HUMAN)
    records = list(task.recorded("gpt4_pair"))
    assert [(r["item_id"].partition("/")[2], r["winner"]) for r in records] == [
        ("81/alpaca-13b/gpt-4/1", 1),
        ("81/alpaca-13b/gpt-4/2", "tie"),
        ("160/claude-v1/llama-13b/1", 0),
        ("111/claude-v1/llama-13b/2", 1),
        ("82/claude-v1/llama-13b/1", 0),
    ]
    assert {r["order"] for r in records} == {"ab"}
    assert records[1]["raw"] == "model_a alpaca-13b, model_b gpt-4: tie (inconsistent)"
    judge = make_judge(parse_spec("mt-bench-gpt-4"), Context(tasks=(task,)))
    assert (judge.card.orders, judge.card.model, judge.card.tasks) == (
        "first",
        "gpt-4",
        ("mt_bench_human",),
    )
    # The pair that no human judged is no item, so it is never asked for.
    asked = [trial for _, trial in trials(task.items(), judge.card)]
    found = list(judge.judge(asked))
    assert [v.status for v in found] == [Status.OK] * 4
    assert [v.utilities for v in found] == [(0, 1), (0, 0), (0, 1), (1, 0)]


def test_a_local_copy_has_both_splits(hub: Hub, tmp_path: Path) -> None:
    for name, body in files(HUMAN).items():
        path = tmp_path / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    task = make(parse_spec(f"mt_bench_human:{tmp_path / 'copy'}"))
    assert len(list(task.items())) == 4
    assert len(list(task.recorded("gpt4_pair"))) == 5
    assert hub.requests == []
    alone = make(parse_spec(f"mt_bench_human:{next((tmp_path / 'copy/data').glob('human*'))}"))
    assert len(list(alone.items())) == 4
    with pytest.raises(BenchError, match="a folder with the split gpt4_pair"):
        list(alone.recorded("gpt4_pair"))


def changed(**values: object) -> dict[str, object]:
    return {**row(81, "alpaca-13b", "gpt-4", "model_a", "expert_1"), **values}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (changed(winner="model_c"), r'row 2, field winner: "model_c" found, "model_a", "model_b"'),
        (changed(judge="gpt4_pair"), r'field judge: "gpt4_pair" found, expert_N or author_N'),
        (changed(turn=3), r"field turn: 3 found, turn 1 or 2"),
        (changed(question_id=161), r"field question_id: 161 found, a question of MT-Bench \(81 to"),
        (changed(model_a="gpt-4"), r"field model_b: .*another model than model_a"),
        (changed(conversation_b=conversation(82, "gpt-4")), "different user messages found"),
        (changed(turn=2, conversation_b=conversation(81, "gpt-4", 2)), "different user messages"),
        (changed(conversation_b=conversation(81, "gpt-4", 1)), "do not go from user to assistant"),
        (
            changed(
                turn=2,
                conversation_a=conversation(81, "alpaca-13b", 2),
                conversation_b=conversation(81, "gpt-4", 2),
            ),
            "2 messages found, 4 messages from user",
        ),
        (changed(conversation_b=conversation(81, "another")), "has other texts than in an earlier"),
    ],
)
def test_a_row_that_is_not_what_it_should_be_is_told(
    hub: Hub, wrong: dict[str, object], said: str
) -> None:
    task = load(hub, [row(81, "alpaca-13b", "gpt-4", "model_b", "expert_2"), wrong])
    with pytest.raises(BenchError, match=said):
        list(task.items())


def test_unknown_names_and_columns_are_told(hub: Hub) -> None:
    task = load(hub, HUMAN, [*GPT4, GPT4[0]])
    with pytest.raises(BenchError, match=r"'gpt-4'. There are: gpt4_pair\."):
        next(iter(task.recorded("gpt-4")))
    with pytest.raises(BenchError, match=r"alpaca-13b/gpt-4/1 is judged twice; once expected"):
        list(task.recorded("gpt4_pair"))
    body = parquet([{"question_id": 81, "question": "?"}])
    hub.repos[SOURCE.repo] = {"f" * 40: {"data/human-00000-of-00001.parquet": body}}
    with pytest.raises(BenchError, match=r"no column model_a.*Columns: question_id, question\."):
        list(make(parse_spec(f"mt_bench_human:revision={'f' * 40}")).items())
