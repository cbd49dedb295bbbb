"""A run as the tables see it: its items as arrays, its judges' cards, and what each judge said."""

from __future__ import annotations

from dataclasses import dataclass

from bench.ledger import Ledger
from bench.overlap import TrainingOverlap
from bench.types import BenchError, JudgeCard
from reports.groups import Estimates, Group, groups_of
from reports.read import read
from reports.readings import LOST, STATUSES, Bools, Floats, ItemTable, Readings

INCOMPLETE = 0.01
"""Share of showings without an answer from which a judge is incomplete."""


@dataclass(frozen=True)
class Study:
    """`readings` and `scores` (rule mean, (items,)) by judge, in plan order. `overlaps`: what the
    items share with the sets that judges were trained on. `estimates` collects every number that a
    table prints."""

    table: ItemTable
    groups: list[Group]
    cards: list[JudgeCard]
    readings: dict[str, Readings]
    scores: dict[str, Floats]
    overlaps: list[TrainingOverlap]
    estimates: Estimates

    def lost(self, judge: str, items: Bools) -> float:
        """Share of the judge's showings of (items,) these that got no answer. From INCOMPLETE on
        there is no test and no verdict, only numbers."""
        counts = self.readings[judge].statuses[items].sum(axis=0)
        lost = counts[[STATUSES.index(status) for status in LOST]].sum()
        return float(lost / max(1, counts.sum()))

    @classmethod
    def of(cls, ledger: Ledger) -> Study:
        """Read a ledger. Raises BenchError where there is nothing to report on."""
        items = ledger.items()
        if not items:
            raise BenchError(
                f"{ledger.path} has no items: its run was stopped before it began, or all of them "
                "were left out. Run it again."
            )
        table = ItemTable(items)
        groups = list(groups_of(table))
        cards = ledger.judges()
        readings = {card.name: read(ledger, card, table) for card in cards}
        scores = {name: reading.scores("mean") for name, reading in readings.items()}
        estimates = Estimates(table, groups)
        return cls(table, groups, cards, readings, scores, ledger.overlaps(), estimates)


def nature(card: JudgeCard) -> str:
    """trained, prompted, or whatever kind it is. A recording of a named model that was not trained
    to judge was prompted."""
    if card.trained:
        return "trained"
    if card.kind == "prompted" or (card.kind == "replay" and card.model):
        return "prompted"
    return card.kind
