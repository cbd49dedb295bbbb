"""The replay judge: recorded verdicts come back as they were recorded, and nothing else does."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.plan import trials
from bench.registry import cards, make_judge, resolve_judge
from bench.spec import parse_specs
from bench.types import (
    BenchError,
    Context,
    Item,
    Judge,
    Label,
    Message,
    Protocol,
    Response,
    Split,
    Status,
    Task,
    TaskCard,
    Trial,
    Verdict,
)
from judges.replay import Replay, make, parse_record
from tasks.llmbar import LLMBar
from tasks.pandalm import PandaLM
from tasks.qlora_vicuna import QloraVicuna
from tasks.rows import Node
from tasks.wqrm import WQRM
from tasks.xstest import XSTest

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)
RECORDS: list[dict[str, Any]] = [
    {"item_id": "q1", "order": "ab", "winner": 0, "raw": "A it is"},
    {"item_id": "q1", "order": "ba", "winner": 0},
    {"item_id": "q2", "order": "ab", "winner": "tie"},
    {"item_id": "q2", "order": "ba", "winner": None, "raw": "I cannot say"},
    {"item_id": "q3", "order": "ba", "winner": None, "scores": [2, 7.5]},
]


def item(name: str, n: int = 2) -> Item:
    return Item(
        id=name,
        task="t",
        domain="chat",
        prompt=(Message("user", "Q"),),
        responses=tuple(Response(str(i), f"text {i}") for i in range(n)),
        labels=(Label("gold", (1.0,) + (0.0,) * (n - 1)),),
    )


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def judge_of(text: str, *tasks: Task) -> Judge:
    (spec,) = parse_specs(text)
    return make(spec, Context(tasks=tasks))


@pytest.fixture
def recorded(tmp_path: Path) -> Judge:
    return judge_of(f"replay:{write(tmp_path / 'v.jsonl', RECORDS)}")


def ask(
    judge: Judge, name: str, order: tuple[int, ...], *, n: int = 2, repeat: int = 0,
    protocol: Protocol = "pairwise",
) -> Verdict:  # fmt: skip
    seen = item(name, n).seen(judge.card.sees)
    (verdict,) = judge.judge([Trial("key", seen, order, protocol, repeat, 0)])
    return verdict


def test_verdicts_are_in_item_coordinates(recorded: Judge) -> None:
    assert ask(recorded, "q1", (0, 1)).utilities == (1, 0)
    assert ask(recorded, "q1", (1, 0)).utilities == (1, 0)
    assert ask(recorded, "q1", (0, 1)).raw == "A it is"
    assert ask(recorded, "q2", (0, 1)).utilities == (0, 0)
    assert ask(recorded, "q3", (1, 0)).utilities == (2, 7.5)


def test_a_failure_stays_a_failure(recorded: Judge) -> None:
    verdict = ask(recorded, "q2", (1, 0))
    assert (verdict.status, verdict.utilities) == (Status.UNPARSED, None)
    assert verdict.raw == "I cannot say"


@pytest.mark.parametrize(("name", "order"), [("q3", (0, 1)), ("q9", (0, 1))])
def test_what_was_not_recorded_stays_not_run(
    recorded: Judge, name: str, order: tuple[int, ...]
) -> None:
    with pytest.raises(BenchError, match=f"no verdict for 1 of the showings.*{name}"):
        ask(recorded, name, order)


def test_card(recorded: Judge) -> None:
    card = recorded.card
    assert (card.kind, card.orders, card.protocols) == ("replay", "all", ("pairwise", "listwise"))
    assert card.sees == ("text", "id") and card.tasks is None and card.model is None


def test_one_order_only_is_asked_in_that_order(tmp_path: Path) -> None:
    records = [r for r in RECORDS if r["order"] == "ab"]
    records.append({"item_id": "q4", "order": [0, 1, 2], "winner": 2})
    judge = judge_of(f"replay:{write(tmp_path / 'v.jsonl', records)}")
    assert judge.card.orders == "first"
    planned = [trial for _, trial in trials([item("q1"), item("q4", 3)], judge.card)]
    assert [trial.order for trial in planned] == [(0, 1), (0, 1, 2)]
    assert [v.utilities for v in judge.judge(planned)] == [(1, 0), (0, 0, 1)]


@given(st.permutations(range(4)), st.integers(0, 3))
def test_lists(order: list[int], winner: int) -> None:
    row = {"item_id": "q", "order": order, "winner": winner}
    record = parse_record(Node(row, "f, line 1"))
    assert record.order == tuple(order)
    assert record.utilities == tuple(float(i == winner) for i in range(4))


def test_points(tmp_path: Path) -> None:
    records = [
        {"item_id": "q1", "order": "point", "scores": [3, 1, None], "model": "m"},
        {"item_id": "q2", "order": "point", "winner": None, "scores": [0, -1], "model": "m"},
    ]
    judge = judge_of(f"replay:{write(tmp_path / 'v.jsonl', records)}")
    assert (judge.card.protocols, judge.card.model) == (("pointwise",), "m")
    planned = [trial for _, trial in trials([item("q1", 3), item("q2")], judge.card)]
    assert len({trial.key for trial in planned}) == 5
    found = [v.utilities for v in judge.judge(planned)]
    assert found == [(3,), (1,), None, (0,), (-1,)]


def test_what_is_said_of_the_order_is_what_was_recorded(tmp_path: Path, recorded: Judge) -> None:
    point = {"item_id": "q1", "order": "point", "scores": [3, 1]}
    alone = f"replay:{write(tmp_path / 'point.jsonl', [point])},order_free="
    pairs = f"replay:{write(tmp_path / 'pairs.jsonl', RECORDS)},order_free="
    assert judge_of(f"{alone}true").card.order_free
    assert judge_of(f"{pairs}false").card.identity == recorded.card.identity
    with pytest.raises(BenchError, match=r"order_free is False.*responses alone.*leave it out"):
        judge_of(f"{alone}false")
    with pytest.raises(BenchError, match=r"order_free is True.*responses side by side"):
        judge_of(f"{pairs}true")


def test_repeats_come_in_file_order_and_again_from_the_first(tmp_path: Path) -> None:
    records = [{"item_id": "q1", "order": "ab", "winner": w} for w in (0, 1, "tie")]
    judge = judge_of(f"replay:{write(tmp_path / 'v.jsonl', records)}")
    found = [ask(judge, "q1", (0, 1), repeat=repeat).utilities for repeat in range(4)]
    assert found == [(1, 0), (0, 1), (0, 0), (1, 0)]


def test_identity_follows_the_records_not_the_file(tmp_path: Path, recorded: Judge) -> None:
    same = tmp_path / "same.gz"
    lines = "\n\n".join(json.dumps(record, indent=None) for record in RECORDS)
    same.write_bytes(gzip.compress(lines.encode()))
    changed = write(tmp_path / "changed.jsonl", [*RECORDS[:-1], {**RECORDS[-1], "scores": [2, 8]}])
    assert judge_of(f"replay:{same}").card.identity == recorded.card.identity
    assert judge_of(f"replay:{changed}").card.identity != recorded.card.identity


def test_settings(tmp_path: Path) -> None:
    path = write(tmp_path / "v.jsonl", RECORDS)
    card = judge_of(f"replay:{path},model=big,parameters=70000000000,trained=yes,licence=MIT").card
    assert (card.model, card.parameters, card.trained, card.licence) == (
        "big", 70_000_000_000, True, "MIT"
    )  # fmt: skip
    with pytest.raises(BenchError, match=r"no option 'size'. Options: model, parameters"):
        judge_of(f"replay:{path},size=70")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"item_id": 1, "order": "ab", "winner": 0}, "field item_id: 1 found"),
        ({"order": "ab", "winner": 0}, "no field item_id"),
        ({"item_id": "q", "order": "a", "winner": 0}, 'field order: "a" found, "ab", "ba"'),
        ({"item_id": "q", "order": [0], "winner": 0}, "field order: .* at least two"),
        ({"item_id": "q", "order": [0, 0], "winner": 0}, "field order: .* every index once"),
        ({"item_id": "q", "order": [0, 2], "winner": 0}, r"field order\[1\]: 2 found"),
        ({"item_id": "q", "order": [True, 0], "winner": 0}, r"field order\[0\]: true"),
        ({"item_id": "q", "order": "ab", "winner": 2}, "field winner: 2 found"),
        ({"item_id": "q", "order": "ab", "winner": False}, "field winner: false found"),
        ({"item_id": "q", "order": "ab", "winner": "a"}, 'field winner: "a" found, .* or "tie"'),
        ({"item_id": "q", "order": "ab"}, "field winner: nothing"),
        ({"item_id": "q", "order": "ab", "Winner": 1}, "unknown field Winner. Did you mean winner"),
        ({"item_id": "q", "order": "ab", "scores": [1]}, "field scores: .* 2 numbers"),
        ({"item_id": "q", "order": "ab", "scores": [1, None]}, r"field scores\[1\]: nothing"),
        ({"item_id": "q", "order": "ab", "winner": 0, "scores": [1, 2]}, "field winner: 0 found"),
        ({"item_id": "q", "order": "point", "winner": 0}, "field winner: .* but scores"),
        ({"item_id": "q", "order": "point", "winner": None}, "field scores: nothing"),
        ({"item_id": "q", "order": "point", "scores": [1]}, "field scores: .* per response"),
        ({"item_id": "q", "order": "ab", "winner": 0, "raw": 3}, "field raw: 3 found"),
    ],
)
def test_a_bad_row(tmp_path: Path, record: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "v.jsonl", [RECORDS[0], record])
    with pytest.raises(BenchError, match=rf"v\.jsonl, line 2.*{said}"):
        judge_of(f"replay:{path}")


def test_recordings_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="the recording is empty"):
        judge_of(f"replay:{write(tmp_path / 'empty.jsonl', [])}")
    mixed = [*RECORDS, {"item_id": "q1", "order": "point", "scores": [1, 2]}]
    with pytest.raises(BenchError, match="Split it in two"):
        judge_of(f"replay:{write(tmp_path / 'mixed.jsonl', mixed)}")
    with pytest.raises(BenchError, match=r"does not exist.*Did you mean .*mixed\.jsonl"):
        judge_of(f"replay:{tmp_path / 'mixt.jsonl'}")
    with pytest.raises(BenchError, match="replay:PATH or replay:TASK/SOURCE expected"):
        judge_of("replay")


def test_a_recording_of_other_items(tmp_path: Path) -> None:
    path = write(tmp_path / "v.jsonl", [{"item_id": "q1", "order": "point", "scores": [1, 2]}])
    with pytest.raises(BenchError, match=r"v.jsonl, line 1: verdict on 2 responses, .* has 3"):
        ask(judge_of(f"replay:{path}"), "q1", (0,), n=3, protocol="pointwise")


class Recorded(Task):
    """A task whose authors recorded one judge."""

    card = TaskCard("mine", "Mine", ("chat",), "gold", "MIT", "1")

    def items(self, split: Split | None = None) -> Iterator[Item]:
        yield item("q1")

    def recorded(self, source: str) -> Iterator[Mapping[str, Any]]:
        if source != "big/v1":
            raise BenchError("there are: big/v1")
        yield {"item_id": "q1", "order": "ab", "winner": 1}


def test_task_and_source() -> None:
    judge = judge_of("replay:mine/big/v1", Recorded())
    assert judge.card.tasks == ("mine",) and judge.card.orders == "first"
    assert ask(judge, "q1", (0, 1)).utilities == (0, 1)
    with pytest.raises(BenchError, match="there are: big/v1"):
        judge_of("replay:mine/big/v2", Recorded())
    with pytest.raises(BenchError, match=r"neither a file nor .*they are: mine"):
        judge_of("replay:yours/big/v1", Recorded())


def test_every_card_of_a_recorded_judge_is_whole() -> None:
    names = [name for name, card in cards().items() if card["kind"] == "replay"]
    assert len(names) == 16
    for name in names:
        (spec,) = parse_specs(name)
        spec = resolve_judge(spec)
        settings = spec.settings(Replay)
        assert settings.tasks and spec.argument.startswith(f"{settings.tasks[0]}/")
        assert settings.model and settings.description and settings.order_free is not None
        with pytest.raises(BenchError, match=f"holds verdicts on {settings.tasks[0]}"):
            make(spec, Context())


@needs_mirror
def test_recorded_judges_by_name() -> None:
    context = Context(tasks=(LLMBar(), PandaLM(), QloraVicuna(), WQRM(), XSTest()))
    on_the_mirror = {task.card.name for task in context.tasks}
    for name, card in cards().items():
        if card["kind"] == "replay" and on_the_mirror & set(card["tasks"]):
            (spec,) = parse_specs(name)
            judge = make_judge(spec, context)
            assert judge.card.name == name
            assert judge.card.tasks == tuple(card["tasks"])
            assert judge.card.order_free == card["order_free"]
            assert judge.card.orders == ("first" if card["tasks"] == ["pandalm"] else "all")


@needs_mirror
def test_gpt_4_on_the_natural_subset_through_the_plan() -> None:
    (spec,) = parse_specs("gpt-4-vanilla")
    judge = make_judge(spec, Context(tasks=(LLMBar(),)))
    items = [i for i in LLMBar().items() if i.subset == "Natural"]
    planned = list(trials(items, judge.card))
    verdicts = judge.judge(trial for _, trial in planned)
    right = [
        verdict.utilities == items[index].labels[0].utilities
        for (index, _), verdict in zip(planned, verdicts, strict=True)
    ]
    assert (sum(right), len(right)) == (191, 200)
