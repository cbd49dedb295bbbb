"""A run as the tables see it: its items as arrays, its judges' cards, and what each judge said."""

from __future__ import annotations

from dataclasses import dataclass

from bench.ledger import Ledger
from bench.types import JudgeCard
from reports.groups import Estimates, Group, groups_of
from reports.read import read
from reports.readings import Floats, ItemTable, Readings


@dataclass(frozen=True)
class Study:
    """`readings` and `scores` (rule mean, (items,)) by judge, in plan order. `estimates` collects
    every number that a table prints."""

    table: ItemTable
    groups: list[Group]
    cards: list[JudgeCard]
    readings: dict[str, Readings]
    scores: dict[str, Floats]
    estimates: Estimates

    @classmethod
    def of(cls, ledger: Ledger) -> Study:
        """Read a ledger."""
        table = ItemTable(ledger.items())
        groups = list(groups_of(table))
        cards = ledger.judges()
        readings = {card.name: read(ledger, card.name, table) for card in cards}
        scores = {name: reading.scores("mean") for name, reading in readings.items()}
        return cls(table, groups, cards, readings, scores, Estimates(table, groups))


def nature(card: JudgeCard) -> str:
    """trained, prompted, or whatever kind it is. A recording of a named model that was not trained
    to judge was prompted."""
    if card.trained:
        return "trained"
    if card.kind == "prompted" or (card.kind == "replay" and card.model):
        return "prompted"
    return card.kind
