"""Skywork 80K in miniature: chosen and rejected conversations, shown in no telling order."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hub import Hub, parquet

from bench.spec import parse_spec
from bench.types import BenchError, Label, Message, Task
from tasks.skywork_80k import CARD, TWO_PROMPTS, make

REPO = "Skywork/Skywork-Reward-Preference-80K-v0.2"
README = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n"
README += b"    path: data/train-*\n---\n"
TURNS = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))
SCHEMA = pa.schema([("chosen", TURNS), ("rejected", TURNS), ("source", pa.string())])


def said(*texts: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"content": text, "role": roles[n % 2]} for n, text in enumerate(texts)]


def row(chosen: Any, rejected: Any, source: str = "magpie_ultra") -> dict[str, Any]:
    return {"chosen": chosen, "rejected": rejected, "source": source}


def task(hub: Hub, rows: list[dict[str, Any]]) -> Task:
    name = "data/train-00000-of-00001.parquet"
    sha = hub.put(REPO, {"README.md": README, name: parquet(rows, SCHEMA)})
    return make(parse_spec(f"skywork_80k:revision={sha}"))


PAIRS = [row(said(f"Ask {n}", f"good {n}"), said(f"Ask {n}", f"bad {n}")) for n in range(40)]


def test_the_chosen_answer_wins_in_either_place(hub: Hub) -> None:
    items = list(task(hub, PAIRS).items())
    assert [item.id for item in items] == [f"skywork_80k/{n}" for n in range(40)]
    places = []
    for n, item in enumerate(items):
        assert item.prompt == (Message("user", f"Ask {n}"),)
        assert [response.id for response in item.responses] == ["a", "b"]
        (label,) = item.labels
        place = label.utilities.index(1.0)
        assert label == Label("published", (float(place == 0), float(place == 1)))
        assert item.responses[place].text == f"good {n}"
        assert item.responses[1 - place].text == f"bad {n}"
        places.append(place)
    assert 10 < sum(places) < 30, "where the better answer stands tells nothing"
    assert [item.key for item in task(hub, PAIRS).items()] == [item.key for item in items]


def test_the_prompt_is_all_before_the_last_message(hub: Hub) -> None:
    before = ("Hello.", "Hello!", "And then?")
    (item,) = task(hub, [row(said(*before, "Good."), said(*before, "Bad."))]).items()
    assert [(m.role, m.content) for m in item.prompt] == [
        ("user", "Hello."),
        ("assistant", "Hello!"),
        ("user", "And then?"),
    ]


def test_two_prompts_are_no_pair_and_counted(hub: Hub) -> None:
    odd = row(said("Ask 1", "good"), said("Ask 2", "bad"))
    skywork = task(hub, [PAIRS[0], odd, PAIRS[1]])
    assert [item.id for item in skywork.items()] == ["skywork_80k/0", "skywork_80k/2"]
    assert skywork.card.traps[-1] == f"Rows left out, {TWO_PROMPTS}: 1."


def test_sources(hub: Hub) -> None:
    sides = said("Ask", "good"), said("Ask", "bad")
    rows = [row(*sides, name) for name in ("wildguard", "HelpSteer2", "a new one")]
    assert [(item.domain, item.subset) for item in task(hub, rows).items()] == [
        ("safety", "wildguard"),
        ("chat", "HelpSteer2"),
        ("chat", "a new one"),
    ]
    assert CARD.training_source


def test_splits(hub: Hub) -> None:
    skywork = task(hub, PAIRS)
    every = [(item.id, item.split) for item in skywork.items()]
    for split in ("train", "dev", "test"):
        found = [item.id for item in skywork.items(split)]
        assert found == [name for name, own in every if own == split] != []


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (said("Ask"), "field chosen: .* found, a prompt and then an assistant's message"),
        (said("Ask", "good", "Ask again"), "a prompt and then an assistant's message expected"),
        ([], "field chosen: .* found, at least one message expected"),
        ([{"role": "gpt", "content": "x"}], r"field chosen\[0\]\.role: \"gpt\" found, one of"),
        ([{"role": "user", "content": None}], r"field chosen\[0\]\.content: nothing"),
    ],
)
def test_what_is_no_conversation_is_told(hub: Hub, chosen: Any, told: str) -> None:
    with pytest.raises(BenchError, match=told):
        list(task(hub, [row(chosen, said("Ask", "bad"))]).items())
