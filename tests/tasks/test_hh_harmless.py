"""HH-RLHF from the authors' file: every transcript comes out whole, odd ones too."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from bench.spec import parse_specs
from bench.types import BenchError, Item, Message
from tasks.hh_harmless import COMMIT, HHHarmless, make, turns

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(HHHarmless().items())


@pytest.fixture(scope="module")
def raw(mirror: Path) -> list[dict[str, str]]:
    path = mirror / f"github.com/anthropics/hh-rlhf/{COMMIT}/harmless-base/test.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def best(item: Item) -> int:
    (label,) = item.labels
    return label.utilities.index(1.0)


def written_back(item: Item, response: int) -> str:
    said = [*item.prompt, Message("assistant", item.responses[response].text)]
    names = {"user": "Human", "assistant": "Assistant"}
    return "".join(f"\n\n{names[message.role]}: {message.content}" for message in said)


@needs_mirror
def test_every_transcript_comes_out_whole(items: list[Item], raw: list[dict[str, str]]) -> None:
    """Prompt and response, written in the authors' form, are both originals, but for white space
    at the ends of turns."""
    assert len(items) == len(raw) == 2312
    for number, (item, row) in enumerate(zip(items, raw, strict=True)):
        assert item.id == f"hh_harmless/{number}"
        for response, name in ((best(item), "chosen"), (1 - best(item), "rejected")):
            assert written_back(item, response).split() == row[name].split()


@needs_mirror
def test_speakers_take_turns(items: list[Item]) -> None:
    for item in items:
        roles = [message.role for message in item.prompt]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert all(message.content for message in item.prompt)


@needs_mirror
def test_odd_rows(items: list[Item], raw: list[dict[str, str]]) -> None:
    empty = [(item.id, best(item), [bool(r.text) for r in item.responses]) for item in items]
    empty = [(name, at, full) for name, at, full in empty if not all(full)]
    assert [name.split("/")[1] for name, _, _ in empty] == ["86", "516", "925", "1103"]
    assert all(not full[at] for _, at, full in empty)
    # One transcript has a marker more than the other; what follows it is in the response.
    unequal = [
        n for n, r in enumerate(raw) if len({t.count("\n\nAssistant:") for t in r.values()}) > 1
    ]
    assert unequal == [1254, 1688, 1950, 1952, 2036]
    for number in unequal:
        assert ["\n\nAssistant:" in r.text for r in items[number].responses].count(True) == 1
    speaker = re.compile(r"\b(Human|Assistant):")
    in_response = {i.id for i in items if any(speaker.search(r.text) for r in i.responses)}
    in_prompt = {i.id for i in items if any(speaker.search(m.content) for m in i.prompt)}
    assert (len(in_response), len(in_prompt - in_response)) == (37, 16)


@needs_mirror
def test_figures_of_the_card(items: list[Item], raw: list[dict[str, str]]) -> None:
    assert len({item.prompt_key for item in items}) == 2177
    assert {label.annotator for item in items for label in item.labels} == {"worker"}
    assert {item.domain for item in items} == {"safety"}
    # The shared turns are equally long: the longer transcript has the longer response, but for
    # white space around it.
    longest = 0.0
    for item in items:
        right, wrong = (len(item.responses[k].text) for k in (best(item), 1 - best(item)))
        longest += 0.5 if right == wrong else right > wrong
    assert longest / 2312 == pytest.approx(0.446, abs=5e-4)
    lengths = [(len(r["chosen"].rstrip()), len(r["rejected"].rstrip())) for r in raw]
    whole = sum(0.5 if a == b else a > b for a, b in lengths)
    assert longest == pytest.approx(whole, abs=3)


@needs_mirror
def test_the_order_gives_nothing_away(items: list[Item]) -> None:
    places = Counter(best(item) for item in items)
    assert 0.45 < places[0] / 2312 < 0.55
    assert {tuple(r.id for r in item.responses) for item in items} == {("a", "b")}


def test_a_speaker_who_goes_on_keeps_the_turn() -> None:
    text = "\n\nHuman:  Hi \n\nAssistant: One.  Human: Two?\n\nAssistant:  Three.\n\nHuman: Bye"
    assert turns(text) == (
        Message("user", "Hi"),
        Message("assistant", "One.  Human: Two?\n\nAssistant:  Three."),
        Message("user", "Bye"),
    )
    assert turns("\n\nHuman: Hi\n\nAssistant: ")[-1] == Message("assistant", "")


def test_it_has_no_settings() -> None:
    (spec,) = parse_specs("hh_harmless:x=1")
    with pytest.raises(BenchError, match="hh_harmless alone expected"):
        make(spec)
