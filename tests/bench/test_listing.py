"""What `judges NAME` says of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from bench.listing import show_judge, show_judges
from bench.options import Option, options_of
from bench.registry import cards, judge_facts, make_judge
from bench.spec import Spec, parse_spec
from bench.types import BenchError, Context

FORMS = [
    (typed, settings)
    for facts in judge_facts().values()
    if facts is not None
    for typed, settings in facts.settings.items()
]


@dataclass(frozen=True)
class Base:
    """`shared`: said by the base. `again`: not this."""

    shared: bool = False
    again: int | None = None
    silent: str = ""


@dataclass(frozen=True)
class Own(Base):
    """Options of a test. `again`, `prices`: from 0.5 on; none: all. And more."""

    prices: tuple[float, ...] = (0.5, 2.0)


def test_an_option_is_known_by_name_default_and_what_the_nearest_docstring_says() -> None:
    assert options_of(Own) == [
        Option("shared", "false", "said by the base"),
        Option("again", "none", "from 0.5 on; none: all"),
        Option("silent", "", ""),
        Option("prices", "0.5+2.0", "from 0.5 on; none: all"),
    ]


@pytest.mark.parametrize(("typed", "settings"), FORMS, ids=[typed for typed, _ in FORMS])
def test_the_options_shown_are_those_that_the_kind_reads(
    typed: str, settings: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Read(Exception):
        pass

    def reads(spec: Spec, cls: type[Any]) -> None:
        assert cls is settings
        raise Read

    monkeypatch.setattr(Spec, "settings", reads)
    with pytest.raises(Read):
        make_judge(parse_spec(typed), Context())


def shown(name: str = "") -> list[str]:
    console = Console(file=StringIO(), width=160)
    show_judge(name, console) if name else show_judges(console)
    assert isinstance(console.file, StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_a_kind_is_shown_with_its_facts_and_options() -> None:
    lines = shown("crossencoder")
    assert lines[0].startswith("An encoder that reads both responses")
    assert {"trained: yes", "order-free: no", "cost: this machine", "extras: local"} <= set(lines)
    first = lines.index("crossencoder:MODEL,option=value,...")
    second = lines.index("crossencoder:base=MODEL,option=value,...")
    own, common = map(lines.index, ("dtype float32 of the weights", "licence none of its weights"))
    assert first < own < common < second, "its own options first"
    assert "swap both pairs are shown in item order (off)" in "\n".join(lines[second:])
    assert "batch false through the provider's batch API" in shown("litellm")


def test_a_kind_without_options_shows_none() -> None:
    assert shown("random")[1:] == [
        "trained: no",
        "order-free: no",
        "cost: nothing",
        "extras: none",
    ]
    with pytest.raises(BenchError, match="Did you mean random"):
        show_judge("randm", Console(file=StringIO()))


def test_nothing_is_open_about_the_cards_that_come_with_the_package() -> None:
    lines = shown()
    assert "wqrm replay 395M yes yes nothing none" in lines
    assert "gpt-4-cot replay – no no nothing none" in lines
    assert not [line for line in lines if line.split(" ")[0] in cards() and "?" in line]
