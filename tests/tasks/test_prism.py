"""PRISM in miniature: turns of conversations, from rows in no order, scored by one person each."""

from __future__ import annotations

import json
import random
from typing import Any

import pandas as pd
import pytest
from hub import Hub, json_lines

from bench.spec import parse_spec
from bench.types import BenchError, Item, Label, Message, Task
from tasks.prism import CARD, NO_HISTORY, ONE_TEXT, make

REPO = "HannahRoseKirk/prism-alignment"
Reply = tuple[str, str, int, bool]  # text, model, score, chosen


def turn(
    conversation: int, number: int, replies: list[Reply], **changes: Any
) -> list[dict[str, Any]]:
    return [
        {
            "utterance_id": f"ut{conversation}{number}{place}",
            "interaction_id": f"int{conversation}{number}",
            "conversation_id": f"c{conversation}",
            "user_id": f"user{conversation}",
            "turn": number,
            "within_turn_id": place,
            "included_in_balanced_subset": conversation % 2 == 0,
            "conversation_type": "unguided",
            "user_prompt": f"Question {conversation}.{number}",
            "model_response": text,
            "model_name": model,
            "model_provider": "made up",
            "score": score,
            "if_chosen": chosen,
        }
        | changes
        for place, (text, model, score, chosen) in enumerate(replies)
    ]


FOUR: list[Reply] = [
    ("One.", "m1", 17, False),
    ("Two.", "m2", 92, True),
    ("Three.", "m3", 50, False),
    ("Four.", "m4", 50, False),
]
ROWS = [
    *turn(0, 0, FOUR),
    *turn(0, 1, [("More.", "m2", 80, True), ("Less.", "m2", 30, False)]),
    *turn(0, 2, [("Same.", "m2", 70, True), ("Same.", "m2", 70, True)]),  # no second reply
    *turn(0, 3, [("End.", "m2", 1, False), ("Stop.", "m2", 100, True)]),
    *turn(1, 0, FOUR[:2], conversation_type="values guided"),
    *turn(1, 1, [("Alone.", "m2", 40, True)]),
    *turn(2, 0, [*FOUR[:2], ("Two.", "m3", 90, True)], conversation_type="controversy guided"),
    *turn(2, 1, [("Yes.", "m2", 60, False), ("No.", "m2", 60, False)]),  # nothing is chosen
    *turn(2, 2, [("Yes.", "m2", 60, True), ("No.", "m2", 50, False)]),  # so nobody knows this
    *turn(3, 1, [("Late.", "m2", 60, True), ("Later.", "m2", 50, False)]),  # turn 0 is missing
    *turn(4, 0, [("This.", "m1", 60, True), ("That.", "m2", 50, True)]),  # two are chosen
    *turn(4, 1, [("So.", "m2", 60, True), ("Or so.", "m2", 50, False)]),
]


def put(hub: Hub, rows: list[dict[str, Any]], seed: int | None = 1) -> str:
    rows = list(rows)
    if seed is not None:
        random.Random(seed).shuffle(rows)
    unread = json_lines([{"user_id": "user0", "age": "a range"}])
    return hub.put(
        REPO,
        {
            "README.md": b"---\nconfigs:\n- config_name: survey\n  data_files: survey.jsonl\n"
            b"- config_name: utterances\n  data_files: utterances.jsonl\n---\n",
            "survey.jsonl": unread,
            "conversations.jsonl": unread,
            "metadata.jsonl": unread,
            "utterances.jsonl": json_lines(rows),
        },
    )


def task(sha: str) -> Task:
    return make(parse_spec(f"prism:revision={sha}"))


def by_id(items: list[Item]) -> dict[str, Item]:
    return {item.id: item for item in items}


@pytest.fixture
def items(hub: Hub) -> dict[str, Item]:
    return by_id(list(task(put(hub, ROWS)).items()))


def test_a_first_turn_is_a_list_of_replies_with_scores(items: dict[str, Item]) -> None:
    item = items["prism/int00"]
    assert [(r.id, r.text, r.model) for r in item.responses] == [
        ("ut000", "One.", "m1"),
        ("ut001", "Two.", "m2"),
        ("ut002", "Three.", "m3"),
        ("ut003", "Four.", "m4"),
    ]
    assert item.labels == (Label("user0", (17.0, 92.0, 50.0, 50.0)),)
    assert item.prompt == (Message("user", "Question 0.0"),)
    assert (item.domain, item.cluster, item.subset) == ("chat", "person/user0", "unguided")
    assert item.meta == {
        "conversation": "c0",
        "turn": 0,
        "chosen": [False, True, False, False],
        "balanced": True,
    }


def test_a_later_turn_has_the_conversation_before_it(items: dict[str, Item]) -> None:
    assert items["prism/int01"].prompt == (
        Message("user", "Question 0.0"),
        Message("assistant", "Two."),
        Message("user", "Question 0.1"),
    )
    # Turn 2 had one text twice, both marked as chosen: no item, and one continuation.
    assert items["prism/int03"].prompt[3:] == (
        Message("assistant", "More."),
        Message("user", "Question 0.2"),
        Message("assistant", "Same."),
        Message("user", "Question 0.3"),
    )
    assert items["prism/int00"].prompt_key == items["prism/int03"].prompt_key
    assert items["prism/int03"].labels == (Label("user0", (1.0, 100.0)),)


def test_which_turns_are_items(hub: Hub) -> None:
    prism = task(put(hub, ROWS))
    names = [item.id for item in prism.items()]
    assert sorted(names) == [f"prism/int{n}" for n in ("00", "01", "03", "10", "20", "21", "40")]
    counted = (f"Rows left out, {NO_HISTORY}: 3.", f"Rows left out, {ONE_TEXT}: 2.")
    assert prism.card.traps == (*CARD.traps, *counted)
    list(prism.items())
    assert prism.card.traps == (*CARD.traps, *counted), "counted once a reading"


def test_equal_texts_among_others_stay(items: dict[str, Item]) -> None:
    item = items["prism/int20"]
    assert [r.text for r in item.responses] == ["One.", "Two.", "Two."]
    assert item.labels[0].utilities == (17.0, 92.0, 90.0)
    assert items["prism/int21"].prompt[1] == Message("assistant", "Two.")


def test_the_order_of_the_file_does_not_matter(hub: Hub) -> None:
    in_order = [item.key for item in task(put(hub, ROWS, seed=None)).items()]
    for seed in range(3):
        assert sorted(i.key for i in task(put(hub, ROWS, seed)).items()) == sorted(in_order)


def test_scores_are_those_of_the_file(hub: Hub) -> None:
    """Counted again with pandas, from the rows as they are published."""
    table = pd.DataFrame(ROWS)
    texts = table.groupby("interaction_id").model_response.nunique()
    best = table.sort_values("score").groupby("interaction_id").last()
    for item in task(put(hub, ROWS)).items():
        name = item.id.removeprefix("prism/")
        assert texts[name] > 1
        (label,) = item.labels
        assert max(label.utilities) == best.score[name]
        assert len(label.utilities) == (table.interaction_id == name).sum()


def test_only_the_utterances_are_brought(hub: Hub) -> None:
    sha = put(hub, ROWS)
    list(task(sha).items())
    asked = {r.rpartition("/")[2] for r in hub.requests if "/resolve/" in r}
    assert asked == {"README.md", "utterances.jsonl"}


def test_splits(hub: Hub) -> None:
    rows = [row for n in range(30) for row in turn(n, 0, FOUR)]
    rows += [row for n in range(30) for row in turn(n, 1, FOUR[:2])]
    prism = task(put(hub, rows))
    every = [(item.id, item.split) for item in prism.items()]
    for split in ("train", "dev", "test"):
        found = [item.id for item in prism.items(split)]
        assert found == [name for name, own in every if own == split]
        assert len(found) % 2 == 0, "the turns of a conversation stay together"
    assert len(every) == 60


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (turn(0, 0, FOUR, conversation_type="guided"), 'field conversation_type: "guided" found'),
        (turn(0, 0, FOUR, score=None), "field score: nothing .* found, a number expected"),
        (turn(0, 0, FOUR, if_chosen=1), "field if_chosen: 1 found, true or false expected"),
        (
            turn(0, 0, FOUR[:1]) + turn(0, 0, FOUR[1:2], within_turn_id=1, user_prompt="Other"),
            "field user_prompt: \"Other\" found, 'Question 0.0', as in the other replies",
        ),
        (
            turn(0, 0, FOUR[:1]) + turn(0, 0, FOUR[1:2], within_turn_id=1, interaction_id="int9"),
            "field interaction_id: \"int9\" found, 'int00', as in",
        ),
    ],
)
def test_what_does_not_fit_is_told(hub: Hub, rows: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        list(task(put(hub, rows, seed=None)).items())


def test_a_missing_column_is_told(hub: Hub) -> None:
    rows = [{k: v for k, v in row.items() if k != "if_chosen"} for row in ROWS]
    with pytest.raises(BenchError, match=r"no column if_chosen\. Columns: utterance_id, inter"):
        list(task(put(hub, rows)).items())


def test_meta_is_json(items: dict[str, Item]) -> None:
    for item in items.values():
        assert json.loads(json.dumps(item.meta)) == item.meta
