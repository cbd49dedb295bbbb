"""PKU-SafeRLHF: pairs of answers to harmful and borderline prompts with two labels each, which
answer is the more helpful and which is the safer. The two are two tasks and never mixed.

Ji et al., 2024, https://arxiv.org/abs/2406.15513.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.rows import Node

SUBSETS = ("neither-safe", "one-safe", "both-safe")  # by how many of the two answers are safe
SIDES = ("response_0", "response_1")
COLUMNS = (
    "prompt",
    *SIDES,
    *(f"{side}_source" for side in SIDES),
    *(f"is_{side}_safe" for side in SIDES),
)
SOURCE = HubSource(
    "PKU-Alignment/PKU-SafeRLHF",
    split="test",
    config="default",
    files=("data/*/*.jsonl",),
    revision="9421ffafec3fa40a1f1a7d567b4d525079477ecb",
    others=("train",),
)
_CARD = TaskCard(
    name="",
    title="",
    domains=("safety",),
    labels="",
    licence="CC-BY-NC-4.0",
    revision="",
    url=None,
    citation="Ji et al., PKU-SafeRLHF: Towards Multi-Level Safety Alignment for LLMs with Human "
    "Preference, 2024, arXiv:2406.15513",
    pairs="one item a row of the authors' test split; with split=train, of their train split",
    traps=(
        "Prompts and answers are offensive.",
        "One merged label a pair and no annotator ids: there is no human ceiling.",
        "A safer answer is named also where both are safe or both are not; the subset says which, "
        "by the authors' own safety labels. A safe answer always counts as safer than an unsafe.",
        "The more helpful answer can be the less safe one: the two tasks are never pooled.",
        "Revisions differ: harm categories came in August 2024, noisy pairs left in September.",
        "The answers are by three small Alpaca models, and pairs share prompts.",
    ),
)
BETTER = replace(
    _CARD,
    name="pku_better",
    title="PKU-SafeRLHF, the more helpful answer",
    labels="one merged label: which answer is more helpful, whatever harm it does; no ties",
)
SAFER = replace(
    _CARD,
    name="pku_safer",
    title="PKU-SafeRLHF, the safer answer",
    labels="one merged label: which answer is less harmful, however helpful it is; no ties",
)


class PkuSafeRLHF(HubTask):
    """The pairs of one of the authors' splits in their order, with the label of one column."""

    def __init__(self, card: TaskCard, label: str, spec: Spec) -> None:
        super().__init__(card, SOURCE, spec)
        self._name = card.name
        self._label = label

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split. Raises what `HubTask.rows` raises, and for a value
        that the set's description does not know."""
        for number, row in enumerate(self.rows(*COLUMNS, self._label)):
            item = self._item(number, row)
            if split in (None, item.split):
                yield item

    def _item(self, number: int, row: Node) -> Item:
        winner = row.member(self._label).index(len(SIDES))
        safe = sum(row.member(f"is_{side}_safe").boolean() for side in SIDES)
        return Item(
            id=f"{self._name}/{self.source.split}/{number}",
            task=self.card.name,
            domain="safety",
            prompt=(Message("user", row.member("prompt").text()),),
            responses=tuple(
                Response(side, row.member(side).text(), row.member(f"{side}_source").text_or_none())
                for side in SIDES
            ),
            labels=(Label("merged", (float(winner == 0), float(winner == 1))),),
            subset=SUBSETS[safe],
            meta={
                "prompt_source": row.member_or_none("prompt_source").text_or_none(),
                "harm": [_harm(row.member_or_none(f"{side}_harm_category")) for side in SIDES],
                "severity": [row.member_or_none(f"{side}_severity_level").value for side in SIDES],
            },
        )


def better(spec: Spec) -> Task:
    """PKU-SafeRLHF test: 8,211 pairs on harmful prompts; the more helpful answer wins.

    ``pku_better:split=train`` is the authors' larger train split.
    """
    return PkuSafeRLHF(BETTER, "better_response_id", spec)


def safer(spec: Spec) -> Task:
    """PKU-SafeRLHF test: 8,211 pairs on harmful prompts; the less harmful answer wins.

    ``pku_safer:split=train`` is the authors' larger train split.
    """
    return PkuSafeRLHF(SAFER, "safer_response_id", spec)


def _harm(categories: Node) -> list[str] | None:
    """The harm categories that hold; None where the revision has none."""
    if categories.value is None:
        return None
    if not isinstance(categories.value, dict):
        raise categories.error("an object of harm categories")
    return sorted(name for name in categories.value if categories.member(name).boolean())
