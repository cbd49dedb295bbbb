"""Every card names a kind that takes its settings, and a prompt that exists; nothing is loaded."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bench.registry import cards, judge_facts, make_judge, resolve_judge
from bench.spec import Spec, parse_spec
from bench.types import Context, JudgeCard
from judges.prompt import load_prompt
from judges.reward import Options


class Accepted(Exception):
    """The kind has taken the card's settings."""


@pytest.mark.parametrize("name", sorted(cards()))
def test_a_card_is_one_that_its_kind_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    convert = Spec.settings

    def settings(spec: Spec, cls: type[Any]) -> Any:
        convert(spec, cls)
        raise Accepted

    monkeypatch.setattr(Spec, "settings", settings)
    spec = resolve_judge(parse_spec(name))
    assert judge_facts()[spec.name] is not None
    with pytest.raises(Accepted):
        make_judge(parse_spec(name), Context())


@pytest.mark.parametrize("name", sorted(cards()))
def test_what_a_card_says(name: str) -> None:
    card = cards()[name]
    assert card.get("description"), "one line for the list"
    if "prompt" in card:
        load_prompt(card["prompt"])
    if "revision" in card:
        assert re.fullmatch(r"[0-9a-f]{40}", card["revision"]), "a commit, quoted"
    if "parameters" in card:
        assert isinstance(card["parameters"], int)
    assert not {"+", ":", ",", " "} & set(name), "a name that can be typed, also as a member"
    if "/" in card.get("argument", "") and card["kind"] != "replay" and ":" not in card["argument"]:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", card["argument"])
        assert card.get("families"), "whose answers it is kin to"
        assert card.get("trained_on"), "what it has seen"
        assert card.get("usd_per_gpu_hour"), "what an hour of a GPU costs that it fits on"


@pytest.mark.parametrize(
    ("said", "gpus", "expected"),
    [
        ({"usd_per_gpu_hour": 1.5}, True, 1.5),
        ({"usd_per_gpu_hour": 1.5, "tensor_parallel": 4}, True, 6.0),
        ({"usd_per_gpu_hour": 1.5, "usd_per_hour": 0.2}, True, 0.2),
        ({"usd_per_gpu_hour": 1.5}, False, None),
        ({"usd_per_gpu_hour": 1.5, "usd_per_hour": 0.2}, False, 0.2),
        ({}, True, None),
    ],
)
def test_a_gpu_is_paid_for_where_there_is_one(
    said: dict[str, Any], gpus: bool, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That there is a GPU, or none, is a stand-in."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus)
    plain = JudgeCard(name="x", kind="reward", protocols=("pointwise",), description="x")
    assert Options(**said).on(plain).usd_per_hour == expected
