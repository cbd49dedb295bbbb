"""Arena 55k from a hub with its true schema: a CSV with JSON in its cells."""

from __future__ import annotations

import csv
import io
import json
from typing import get_args

import pytest
from hub import Hub

from bench.spec import parse_spec
from bench.types import BenchError, Item, Split, Task
from tasks.arena_55k import CARD, SOURCE, make

COLUMNS = ("id", "model_a", "model_b", "prompt", "response_a", "response_b")
WINNERS = ("winner_model_a", "winner_model_b", "winner_tie")
HALF = "\ud83d"  # of a surrogate pair: JSON writes it as an escape


def row(
    number: int,
    prompt: object = ("hello",),
    a: object = ("A here",),
    b: object = ("B here",),
    winner: tuple[int, int, int] = (1, 0, 0),
) -> dict[str, object]:
    cells = [x if isinstance(x, str) else json.dumps(x) for x in (prompt, a, b)]
    values = (number, "gpt-x", "llama-y", *cells, *winner)
    return dict(zip((*COLUMNS, *WINNERS), values, strict=True))


def load(hub: Hub, rows: list[dict[str, object]]) -> Task:
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    assert SOURCE.revision == "18c298340948c0e7f7727399fd459cca6ce0ca6f"
    hub.repos[SOURCE.repo] = {
        SOURCE.revision: {
            "README.md": b"---\nlicense: apache-2.0\n---\n",
            "train.csv": sheet.getvalue().encode(),
        }
    }
    return make(parse_spec("arena_55k"))


def read(hub: Hub, *rows: dict[str, object]) -> list[Item]:
    return list(load(hub, list(rows)).items())


def test_votes(hub: Hub) -> None:
    items = read(
        hub,
        row(30192, ['say "hi", please\nnow'], winner=(1, 0, 0)),
        row(53567, winner=(0, 1, 0)),
        row(65089, winner=(0, 0, 1)),
    )
    assert [item.id for item in items] == [
        "arena_55k/30192",
        "arena_55k/53567",
        "arena_55k/65089",
    ]
    assert [item.labels[0].utilities for item in items] == [(1, 0), (0, 1), (0, 0)]
    assert {x.annotator for item in items for x in item.labels} == {"voter"}
    assert items[0].prompt[0].content == 'say "hi", please\nnow'
    assert [(r.model, r.text) for r in items[0].responses] == [
        ("gpt-x", "A here"),
        ("llama-y", "B here"),
    ]


def test_turns_nulls_and_halves_of_characters(hub: Hub) -> None:
    several, empty, broken = read(
        hub,
        row(1, ["first", "then"], ["A1", None], ["B1", "B2"]),
        row(2, ["x"], [None], [""]),
        row(3, [f"smile {HALF}"], [HALF], ["B"]),
    )
    assert [m.content for m in several.prompt] == ["first", "then"]
    assert [r.text for r in several.responses] == [
        "[Answer to message 1]\nA1\n\n[Answer to message 2]\n",
        "[Answer to message 1]\nB1\n\n[Answer to message 2]\nB2",
    ]
    assert [r.text for r in empty.responses] == ["", ""]
    assert (broken.prompt[0].content, broken.responses[0].text) == (f"smile {HALF}", HALF)
    assert broken.key and broken.split in ("train", "dev", "test")


def test_what_is_left_out_is_counted_in_the_card(hub: Hub) -> None:
    task = load(
        hub,
        [
            row(1),
            row(2, [None, "then"], ["A", "A"], ["B", "B"]),
            row(3, ["x"], ["A", "A"], ["B"]),
            row(4, [], [], []),
        ],
    )
    assert [item.id for item in task.items()] == ["arena_55k/1"]
    assert task.card.traps[len(CARD.traps) :] == (
        "Rows left out, a user message that is null: 2.",
        "Rows left out, not an answer to every message: 1.",
    )


def test_splits_part_the_items(hub: Hub) -> None:
    task = load(hub, [row(i, [f"prompt {i}"]) for i in range(60)])
    train, dev, test = ([i.id for i in task.items(split)] for split in get_args(Split))
    assert train and dev and test
    assert sorted(train + dev + test) == sorted(item.id for item in task.items())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (row(1, winner=(0, 0, 0)), "winner_model_a 0, winner_model_b 0, winner_tie 0 found; one"),
        (row(1, winner=(1, 0, 1)), "winner_model_a 1, winner_model_b 0, winner_tie 1 found; one"),
        (row(1, winner=(2, -1, 0)), "winner_model_a 2, winner_model_b -1, winner_tie 0 found"),
        (row(1, "['single quotes']"), r"row 1, field prompt: .* found, a JSON list of texts, one"),
        (row(1, a='"a text"'), "field response_a: .* found, a JSON list of texts"),
        (row(1, b=[["nested"]]), "field response_b: .* found, a JSON list of texts"),
    ],
)
def test_a_row_that_is_not_what_it_should_be_is_told(
    hub: Hub, wrong: dict[str, object], told: str
) -> None:
    with pytest.raises(BenchError, match=told):
        read(hub, wrong)


def test_a_missing_column_is_told(hub: Hub) -> None:
    less = {name: value for name, value in row(1).items() if name != "winner_tie"}
    with pytest.raises(BenchError, match=r"no column winner_tie\. Columns: id, model_a, "):
        read(hub, less)
