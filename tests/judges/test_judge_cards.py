"""Every card names a kind that takes its settings, and a prompt that exists; nothing is loaded."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bench.registry import cards, judge_facts, make_judge, resolve_judge
from bench.spec import Spec, parse_spec
from bench.types import Context
from judges.prompt import load_prompt


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
