"""What judges there are: kinds and cards, with what is known before one is made."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.kinds import Facts
from bench.options import options_of
from bench.registry import card_in, cards, choose, judge_facts, judge_kinds, judge_names
from bench.yaml_file import is_yaml
from judges.described import Described
from judges.prompt import load_prompt
from reports.numbers import size_text

_PROPERTIES = ("trained", "order-free", "cost", "extras")
_YES = {True: "yes", False: "no", None: "?"}


def show_judges(console: Console) -> None:
    """Print both lists, and how to install what is missing."""
    facts = judge_facts()
    kinds = _table("kind", "what it is", *_PROPERTIES)
    for name, description in judge_kinds().items():
        kinds.add_row(name, description, *_kind_cells(facts[name]))
    table = _table("card", "kind", "size", *_PROPERTIES)
    for name, card in cards().items():
        size = size_text(card["parameters"]) if "parameters" in card else "–"
        table.add_row(name, card["kind"], size, *_card_cells(facts.get(card["kind"]), card))
    for shown in (kinds, table):
        console.print(shown)
        console.print()
    console.print(
        "A judge is a card, or KIND:ARGUMENT,option=value. `smallclaims judges NAME` shows a card, "
        "or what a kind takes.",
        style="dim",
    )
    _missing({extra for found in facts.values() if found for extra in found.extras}, console)


def show_judge(name: str, console: Console) -> None:
    """Print a card as YAML, by its name or of a file, or what a kind is and takes. Raises
    BenchError with near names for a typo."""
    own = is_yaml(name)
    if not own and name not in judge_names():
        raise choose("judge", name, judge_names())
    if own or name in cards():
        card = card_in(Path(name)) if own else cards()[name]
        _say(yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=96), console, end="")
    else:
        _say(judge_kinds()[name], console)
        _show_facts(judge_facts()[name], console)


def _show_facts(facts: Facts | None, console: Console) -> None:
    """What is known of a kind, and its options: its own, then those of every kind."""
    if facts is None:
        return
    for name, text in zip(_PROPERTIES, _kind_cells(facts), strict=True):
        _say(f"{name}: {text}", console)
    _missing(set(facts.extras), console)
    common = {option.name for option in options_of(Described)}
    for typed, settings in facts.settings.items():
        table = _table("option", "default", "what it is")
        for option in sorted(options_of(settings), key=lambda option: option.name in common):
            table.add_row(option.name, Text(option.default), Text(option.meaning))
        _say(f"\n{typed},option=value,...", console)
        console.print(table)


def _missing(extras: set[str], console: Console) -> None:
    for extra in sorted(extra for extra in extras if not installed(extra)):
        _say(f"not installed: {extra} (pip install 'smallclaims[{extra}]')", console)


def _say(text: str, console: Console, end: str = "\n") -> None:
    """Exactly this text, whatever signs are in it."""
    console.print(text, end=end, markup=False, highlight=False, soft_wrap=True)


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, no_wrap=head != "what it is")
    return table


def _kind_cells(facts: Facts | None) -> tuple[str, ...]:
    if facts is None:
        return ("?", "?", "?", "?")
    trained = "depends" if facts.trained is None else _YES[facts.trained]
    order_free = "depends" if facts.order_free is None else _YES[facts.order_free]
    return trained, order_free, facts.cost, ", ".join(facts.extras) or "none"


def _card_cells(facts: Facts | None, card: Mapping[str, Any]) -> tuple[str, ...]:
    """What the kind leaves open the card says, or its prompt."""
    if facts is None:
        return ("?", "?", "?", "?")
    trained = bool(card.get("trained")) if facts.trained is None else facts.trained
    order_free = card.get("order_free") if facts.order_free is None else facts.order_free
    if order_free is None and "prompt" in card:
        order_free = load_prompt(card["prompt"]).pointwise
    extras = ", ".join(facts.extras) or "none"
    return _YES[trained], _YES[order_free], facts.cost, extras


def installed(extra: str) -> bool:
    """Whether every package of one of our extras is there."""
    asked = [Requirement(line) for line in requires("smallclaims") or ()]
    names = [r.name for r in asked if r.marker and r.marker.evaluate({"extra": extra})]
    return all(map(_there, names))


def _there(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False
