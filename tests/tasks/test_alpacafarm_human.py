"""AlpacaFarm's votes from a hub with the true schema: one JSON array, one row a vote."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hub import Hub

from bench.spec import parse_spec
from bench.types import BenchError, Split, Task
from tasks.alpacafarm_human import SOURCE, make


def vote(
    instruction: str, worker: int, preference: object, outputs: tuple[str, str] = ("one", "two")
) -> dict[str, object]:
    return {
        "instruction": instruction,
        "output_1": outputs[0],
        "output_2": outputs[1],
        "preference": preference,
        "annotator_index": worker,
        "dataset": "koala" if "fish" in instruction else "selfinstruct",
        "datasplit": "eval",
    }


VOTES = [
    vote("Name a fish.", 15, 1),
    vote("Name a tree.", 15, 2),
    vote("Name a fish.", 0, 2),
    vote("Name a fish.", 3, 1.0),  # a number with a point, as pandas writes it
    vote("Name a fish.", 15, 2),  # asked again
    vote("Name a fish.", 4, 2),
    vote("Name a fish.", 4, 1, ("two", "one")),  # the outputs the other way round: its own item
    vote("Name a tree.", 7, 2, ("", "two")),
]


def load(hub: Hub, votes: list[dict[str, object]]) -> Task:
    assert SOURCE.revision is not None
    hub.repos[SOURCE.repo] = {
        SOURCE.revision: {
            "README.md": b"---\nlicense: cc-by-nc-4.0\n---\n",
            "alpaca_eval.py": b"raise SystemExit('code of a data set is never run')",
            "alpaca_farm_human_annotations.json": b"[]",
            "alpaca_farm_human_crossannotations.json": json.dumps(votes, indent=2).encode(),
        }
    }
    return make(parse_spec("alpacafarm_human"))


def test_votes_on_one_pair_are_one_item(hub: Hub) -> None:
    task = load(hub, VOTES)
    fish, tree, turned, empty = items = list(task.items())
    assert [(x.annotator, x.utilities) for x in fish.labels] == [
        ("annotator_15", (1, 0)),
        ("annotator_0", (0, 1)),
        ("annotator_3", (1, 0)),
        ("annotator_4", (0, 1)),
    ]
    assert [(x.annotator, x.utilities) for x in fish.retests] == [("annotator_15", (0, 1))]
    assert [x.utilities for x in tree.labels] == [(0, 1)]
    assert [r.text for r in turned.responses] == ["two", "one"]
    assert empty.responses[0].text == ""
    assert fish.prompt_key == turned.prompt_key != tree.prompt_key
    assert [item.subset for item in items] == ["koala", "selfinstruct", "koala", "selfinstruct"]
    assert {item.domain for item in items} == {"chat"}
    assert len({item.id for item in items}) == 4
    assert {r.model for item in items for r in item.responses} == {None}
    assert sum(len(item.labels) + len(item.retests) for item in items) == len(VOTES)
    assert not any(name in r for r in hub.requests for name in ("human_annotations", ".py"))


def test_ids_follow_from_the_texts_alone(hub: Hub) -> None:
    ids = {item.id: item for item in load(hub, VOTES).items()}
    other = list(load(hub, VOTES[::-1]).items())
    assert {item.id for item in other} == set(ids)
    assert all(ids[item.id].responses == item.responses for item in other)


def test_splits_part_the_items(hub: Hub) -> None:
    task = load(hub, [vote(f"Name fish {i}.", 1, 1) for i in range(60)])
    train, dev, test = ([i.id for i in task.items(split)] for split in get_args(Split))
    assert train and dev and test
    assert sorted(train + dev + test) == sorted(item.id for item in task.items())


@pytest.mark.parametrize("wrong", [0, 1.5, 3, None, "1"])
def test_a_preference_that_is_neither_1_nor_2_is_told(hub: Hub, wrong: object) -> None:
    # The column's type follows from its rows: a text beside numbers would not be read at all.
    votes = [vote("Name a fish.", 1, wrong)]
    expected = r"row 1, field preference: .* found, (1 \(output_1 is better\) or 2|a number)"
    with pytest.raises(BenchError, match=expected):
        list(load(hub, votes).items())


def test_a_missing_column_is_told(hub: Hub) -> None:
    votes = [{k: v for k, v in VOTES[0].items() if k != "annotator_index"}]
    with pytest.raises(BenchError, match=r"no column annotator_index\. Columns: instruction, "):
        list(load(hub, votes).items())
