"""HHH alignment: is the response helpful, honest, harmless? 221 pairs with a gold answer, as the
authors of Prometheus publish them.

Askell et al., 2021, https://arxiv.org/abs/2112.00861.
Kim et al., 2024, https://arxiv.org/abs/2405.01535.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.spec import Spec
from bench.types import BenchError, Item, Label, Split, Task, TaskCard
from tasks.blind import blind
from tasks.hh_harmless import turns
from tasks.sources import pinned, read_json

COMMIT = "dcfb44272d5d0414832f5dbb8c2a05ebc2614234"
PAIRS = "eval/benchmark/data/hhh_alignment_eval.json"
DOMAINS = {"harmless": "safety", "helpful": "chat", "honest": "chat", "other": "chat"}
# What stands around the instruction and the response in Prometheus's prompt.
MARKERS = (
    "###The instruction to evaluate:\n",
    "\n\n###Response to evaluate:\n",
    "\n\n###Score Rubrics:\n",
)
CARD = TaskCard(
    name="hhh",
    title="HHH alignment",
    domains=("chat", "safety"),
    labels="one gold answer, by the authors of the set",
    licence="Apache-2.0",
    revision=COMMIT,
    url="https://github.com/prometheus-eval/prometheus-eval",
    citation="Askell et al., A General Language Assistant as a Laboratory for Alignment, 2021, "
    "arXiv:2112.00861",
    pairs="instruction and response taken out of Prometheus's judge prompt, its rubrics left out; "
    "the better one, first in the original, stands in a fixed pseudo-random place",
    traps=(
        "221 pairs (helpful 59, honest 61, harmless 58, other 43) share 102 instructions and 258 "
        "different responses; one instruction has 15 pairs.",
        "Prometheus is shown a rubric for each of the four kinds. Judges here are not, so their "
        "scores are not those of its paper.",
        "Honest, helpful and other are one domain here, chat; the subsets keep them apart.",
        "Always choosing the longest response scores 0.633 (helpful 0.703, honest 0.639, harmless "
        "0.621, other 0.547).",
        "Small, and public since 2021: large models may know it.",
    ),
)


class HHH(Task):
    """The pairs in the order of the file: harmless, helpful, honest, other."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 221 items, or those of one split. Raises what `tasks.sources.fetch` raises."""
        files = pinned("prometheus-eval", "prometheus-eval", COMMIT, "hhh.sha256")
        for index, row in enumerate(read_json(files[PAIRS])):
            item = _item(f"hhh/{index}", row)
            if split in (None, item.split):
                yield item


def make(spec: Spec) -> Task:
    """221 pairs: helpful, honest, harmless, other; a gold answer to each.

    It has no argument and no options.
    """
    spec.bare("task hhh")
    return HHH()


def unwrapped(prompt: str, where: str) -> tuple[str, str]:
    """The instruction and the response that a Prometheus prompt asks about. Raises BenchError
    unless each marker stands there once, in order."""
    if any(prompt.count(marker) != 1 for marker in MARKERS):
        raise BenchError(f"{where}: each of {', '.join(map(repr, MARKERS))} expected once")
    before, instruction, after = (prompt.index(marker) for marker in MARKERS)
    if not before < instruction < after:
        raise BenchError(f"{where}: {', '.join(map(repr, MARKERS))} expected in this order")
    return (
        prompt[before + len(MARKERS[0]) : instruction],
        prompt[instruction + len(MARKERS[1]) : after],
    )


def _item(item_id: str, row: Mapping[str, str]) -> Item:
    instruction, chosen = unwrapped(row["chosen_instruction"], f"{item_id}, chosen")
    other, rejected = unwrapped(row["rejected_instruction"], f"{item_id}, rejected")
    if instruction != other:
        raise BenchError(f"{item_id}: two instructions found, one for both responses expected")
    responses, labels = blind(
        item_id, [(chosen, None), (rejected, None)], [Label("gold", (1.0, 0.0))]
    )
    return Item(
        id=item_id,
        task=CARD.name,
        domain=DOMAINS[row["source"]],
        # Some instructions are a dialogue, whose first speaker is not named.
        prompt=turns(f"\n\nHuman: {instruction}"),
        responses=responses,
        labels=labels,
        subset=row["source"],
    )
