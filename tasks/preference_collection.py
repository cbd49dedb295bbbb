"""Preference Collection: pairs of answers compared by a large model under a criterion of the
pair's own, a source of training pairs.

Kim et al., 2024, https://arxiv.org/abs/2405.01535.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.rows import Node

SIDES = ("A", "B")
SCORES = ("1", "2", "3", "4", "5")
COLUMNS = (
    "orig_instruction",
    "orig_response_A",
    "orig_response_B",
    "orig_reference_answer",
    "orig_criteria",
    "orig_score_A",
    "orig_score_B",
    "orig_preference",
)
SOURCE = HubSource(
    "prometheus-eval/Preference-Collection",
    files=("data/*",),
    revision="b408d139e6a22b5a2fc8cc9be8fd85436c292b2d",
)
CARD = TaskCard(
    name="preference_collection",
    title="Preference Collection",
    domains=("chat",),
    labels="one preference of GPT-4 a pair under the pair's criterion, no ties; strength is the "
    "difference of its scores (1 to 5), and 1 where scores are equal or say the opposite: then the "
    "preference decides",
    licence="CC-BY-4.0",
    revision="",
    url=None,
    citation="Kim et al., Prometheus 2: An Open Source Language Model Specialized in Evaluating "
    "Other Language Models, 2024, arXiv:2405.01535",
    pairs="one item a row; many rows share an instruction",
    training_source=True,
    traps=(
        "Answers, criteria and labels are a model's: a judge trained here learns its taste.",
        "An answer was written to deserve its score, so good and bad ones are easier to tell apart "
        "than in the wild.",
        "The criterion decides which answer wins; it stands in an item's meta, which judges are "
        "not shown.",
        "Also published as kaist-ai/Preference-Collection.",
    ),
)


class PreferenceCollection(HubTask):
    """The pairs in the authors' order."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split, read as they are asked for. Raises what `HubTask.rows`
        raises, and for a score or a preference that the set's description does not know."""
        for number, row in enumerate(self.rows(*COLUMNS)):
            item = self._item(number, row)
            if split in (None, item.split):
                yield item

    def _item(self, number: int, row: Node) -> Item:
        return Item(
            id=f"preference_collection/{number}",
            task=self.card.name,
            domain="chat",
            prompt=(Message("user", row.member("orig_instruction").text()),),
            responses=tuple(
                Response(side, row.member(f"orig_response_{side}").text()) for side in SIDES
            ),
            labels=(Label("teacher", _utilities(row)),),
            reference=row.member("orig_reference_answer").text_or_none(),
            meta={"criteria": row.member("orig_criteria").text()},
        )


def make(spec: Spec) -> Task:
    """Preference Collection: 199,760 pairs compared by a large model, to train on."""
    return PreferenceCollection(CARD, SOURCE, spec)


def _utilities(row: Node) -> tuple[float, float]:
    scores = [float(row.member(f"orig_score_{side}").choice(SCORES)) for side in SIDES]
    winner = _winner(row.member("orig_preference"))
    if scores[winner] > scores[1 - winner]:
        return scores[0], scores[1]
    return float(winner == 0), float(winner == 1)


def _winner(preference: Node) -> int:
    """0 for A and 1 for B, written "A" or "Response A" in any case."""
    name = re.sub(r"^response\s*", "", preference.text().strip().casefold()).upper()
    if name not in SIDES:
        raise preference.error("A or B")
    return SIDES.index(name)
