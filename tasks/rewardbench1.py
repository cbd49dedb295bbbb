"""RewardBench (the first): 2,985 pairs in 23 subsets, which its authors weigh into four sections.

Lambert et al., 2024, https://arxiv.org/abs/2403.13787.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.spec import Spec
from bench.types import Item, Label, Message, Split, Task, TaskCard
from tasks.blind import blind
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.ids import UniqueIds
from tasks.rows import Node

SOURCE = HubSource(
    "allenai/reward-bench",
    split="filtered",
    files=("data/filtered-*",),
    builder="parquet",
    revision="168d848cdbbea9764fae4a544dc9ca1e6cca4931",
)
DOMAINS = {
    **dict.fromkeys(("alpacaeval-easy", "alpacaeval-length", "alpacaeval-hard"), "chat"),
    **dict.fromkeys(("mt-bench-easy", "mt-bench-med", "mt-bench-hard"), "chat"),
    "llmbar-natural": "instruction-following",
    "llmbar-adver-neighbor": "instruction-following",
    "llmbar-adver-GPTInst": "instruction-following",
    "llmbar-adver-GPTOut": "instruction-following",
    "llmbar-adver-manual": "instruction-following",
    **dict.fromkeys(("refusals-dangerous", "refusals-offensive", "donotanswer"), "safety"),
    **dict.fromkeys(("xstest-should-refuse", "xstest-should-respond"), "safety"),
    "math-prm": "math",
    **dict.fromkeys(("hep-cpp", "hep-go", "hep-java", "hep-js", "hep-python", "hep-rust"), "code"),
}
COLUMNS = ("prompt", "chosen", "chosen_model", "rejected", "rejected_model", "subset", "id")
NO_WRITER = ("", "unknown")
CARD = TaskCard(
    name="rewardbench1",
    title="RewardBench",
    domains=tuple(dict.fromkeys(DOMAINS.values())),
    labels="gold: by how a pair was made (a better model, a verified answer, a refusal), or from "
    "the labels of the sets that it was taken from, looked through by the authors",
    licence="ODC-BY",
    revision="",
    citation="Lambert et al., RewardBench: Evaluating Reward Models for Language Modeling, 2024, "
    "arXiv:2403.13787",
    pairs="as published, split filtered; the authors put the right response first, here a fixed "
    "pseudo-random order",
    traps=(
        "The official score is no mean over pairs: subsets are weighed into sections, math-prm as "
        "984 pairs where it has 447, and sections count alike. The leaderboard table shows means.",
        "The published total has a fifth part, Prior Sets, at half weight; it is not in this set, "
        "and without it their code takes the mean of the four sections, as here.",
        "Until version 0.1.2 of the authors' package the weights of the two XSTest subsets were "
        "exchanged (250 and 154 for 154 and 250 pairs), as the counts on the set's card still are: "
        "Safety scores from that time differ by 0.13 of the difference between the two subsets.",
        "419 pairs are LLMBar's, others are from MT-bench and XSTest, and RM-Bench was made of "
        "its prompts: not independent of those sets. Much training data contains its prompts.",
        "In safety subsets the right response is often the shorter one, in alpacaeval-easy and "
        "-hard the longer one.",
    ),
)


class RewardBench1(HubTask):
    """The pairs in the authors' order."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 2,985 items, or those of one split. Raises what `HubTask.rows` raises, and for a
        subset that the authors do not have."""
        ids = UniqueIds()
        for row in self.rows(*COLUMNS):
            item = self._item(row, ids)
            if split in (None, item.split):
                yield item

    def _item(self, row: Node, ids: UniqueIds) -> Item:
        subset = row.member("subset").choice(DOMAINS)
        # The authors' ids begin anew in some subsets.
        name = ids.of(f"{self.card.name}/{subset}/{row.member('id').whole()}")
        written = [
            (row.member(side).text(), _writer(row.member(f"{side}_model")))
            for side in ("chosen", "rejected")
        ]
        responses, labels = blind(name, written, [Label("gold", (1.0, 0.0))])
        return Item(
            id=name,
            task=self.card.name,
            domain=DOMAINS[subset],
            prompt=(Message("user", row.member("prompt").text()),),
            responses=responses,
            labels=labels,
            subset=subset,
        )


def make(spec: Spec) -> Task:
    """RewardBench (the first): 2,985 pairs in 23 subsets and four sections, gold answers."""
    return RewardBench1(CARD, SOURCE, spec)


def _writer(model: Node) -> str | None:
    name = model.text_or_none()
    return None if name in NO_WRITER else name
