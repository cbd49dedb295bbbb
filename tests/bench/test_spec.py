from __future__ import annotations

from dataclasses import dataclass

import pytest

from bench.registry import make_task, resolve_judge
from bench.spec import parse_spec, parse_specs
from bench.types import BenchError


@dataclass(frozen=True)
class Knobs:
    n: int = 1
    share: float = 0.5
    on: bool = False
    name: str | None = None
    prices: tuple[float, ...] = ()


def test_options_belong_to_the_spec_before_them() -> None:
    specs = parse_specs("planted:acc=.8,first=.1, random,litellm:openai/x,temperature=0")
    assert [s.name for s in specs] == ["planted", "random", "litellm"]
    assert specs[0].options == {"acc": ".8", "first": ".1"}
    assert specs[2].argument == "openai/x"
    assert specs[0].label == "planted:acc=.8,first=.1"
    assert parse_specs(specs[0].text) == [specs[0]]


def test_paths_may_hold_an_equals_sign() -> None:
    (spec,) = parse_specs("jsonl:/data/split=test/items.jsonl")
    assert spec.argument == "/data/split=test/items.jsonl"


def test_options_take_the_types_of_their_fields() -> None:
    (spec,) = parse_specs("x:n=3,share=.25,on=yes,name=a,prices=1+2.5")
    assert spec.settings(Knobs) == Knobs(3, 0.25, True, "a", (1.0, 2.5))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x:m=1", "no option 'm'. Options: n, share"),
        ("x:n=one", "int expected"),
        ("x:on=perhaps", "true or false"),
    ],
)
def test_wrong_options_name_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        parse_specs(text)[0].settings(Knobs)


def test_a_typo_gets_near_names() -> None:
    with pytest.raises(BenchError, match="Did you mean pandalm"):
        make_task(parse_specs("pandaml")[0])
    with pytest.raises(BenchError, match="Did you mean longest"):
        resolve_judge(parse_specs("longst")[0])


def test_one_spec_is_one_thing() -> None:
    with pytest.raises(BenchError, match="twice; once expected"):
        parse_spec("planted:acc=1,acc=0")
    for text in ("", ",", "a,b"):
        with pytest.raises(BenchError, match="one expected"):
            parse_spec(text)
    with pytest.raises(BenchError, match="is a card and takes no argument"):
        resolve_judge(parse_spec("gpt-4-vanilla:more"))


def test_typed_options_go_over_those_of_a_card() -> None:
    spec = resolve_judge(parse_specs("gpt-4-vanilla:model=other")[0])
    assert spec.name == "replay"
    assert spec.argument == "llmbar/GPT-4/Vanilla"
    assert spec.options["model"] == "other"
