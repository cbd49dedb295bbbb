"""LLMBar: does the response follow the instruction? 419 pairs with a gold answer, and the verdicts
that its authors recorded of their judges.

Zeng et al., 2023, https://arxiv.org/abs/2310.07641.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bench.spec import Spec
from bench.types import BenchError, Item, Label, Message, Response, Split, Task, TaskCard
from tasks.sources import Source, pinned, read_json

COMMIT = "900616bff90b6c6c8e1681f7d079250637c55992"
SUBSETS = {
    "Natural": "Dataset/LLMBar/Natural",
    "Neighbor": "Dataset/LLMBar/Adversarial/Neighbor",
    "GPTInst": "Dataset/LLMBar/Adversarial/GPTInst",
    "GPTOut": "Dataset/LLMBar/Adversarial/GPTOut",
    "Manual": "Dataset/LLMBar/Adversarial/Manual",
}
CARD = TaskCard(
    name="llmbar",
    title="LLMBar",
    domains=("instruction-following",),
    labels="one gold answer, agreed on by the authors",
    licence="MIT",
    revision=COMMIT,
    url="https://github.com/princeton-nlp/LLMBar",
    citation="Zeng et al., Evaluating Large Language Models at Evaluating Instruction Following, "
    "2023, arXiv:2310.07641",
    traps=(
        "Four of the five subsets are adversarial: the wrong response is made to look the better "
        "one. Always choosing the longest scores 0.272.",
        "Kappas in the authors' statistics.json are wrong (their script maps a verdict for the "
        "second response to 0); their accuracies are right.",
        "Recorded Rating judges rated each response alone, once: both orders are one answer. Equal "
        "ratings count for the response shown second, unreadable ones for the one shown first.",
    ),
)


class LLMBar(Task):
    """The five subsets, in the order of the paper's tables."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 419 items, or those of one split. Raises what `tasks.sources.fetch` raises."""
        for subset, folder in SUBSETS.items():
            for index, row in enumerate(read_json(_files()[f"{folder}/dataset.json"])):
                item = _item(subset, index, row)
                if split in (None, item.split):
                    yield item

    def recorded(self, source: str) -> Iterator[Mapping[str, Any]]:
        """The verdicts of one of the authors' judges, `source` being ``MODEL/PROMPT``.

        The winner is the authors' own reading of the completion, also where this bench would read
        otherwise (see the card's traps), so that their accuracies are met exactly.
        """
        if source not in recorded_sources():
            raise BenchError(
                f"task llmbar has no recorded judge {source!r}. "
                f"There are: {', '.join(recorded_sources())}."
            )
        for subset, folder in SUBSETS.items():
            rows = read_json(_files()[f"{folder}/evaluators/{source}/result.json"])
            for index, row in enumerate(rows):
                yield from _verdicts(_id(subset, index), row["results"][-1], source)


def make(spec: Spec) -> Task:
    """LLMBar: 419 pairs, one follows the instruction; gold, five models' recorded verdicts"""
    spec.bare("task llmbar")
    return LLMBar()


@cache
def _files() -> dict[str, Source]:
    return pinned("princeton-nlp", "LLMBar", COMMIT, "llmbar.sha256")


@cache
def recorded_sources() -> tuple[str, ...]:
    """The judges that were recorded, as ``MODEL/PROMPT``."""
    paths = (path.split("/evaluators/") for path in _files() if "/evaluators/" in path)
    return tuple(sorted({judge.removesuffix("/result.json") for _, judge in paths}))


def _id(subset: str, index: int) -> str:
    return f"llmbar/{subset}/{index}"


def _item(subset: str, index: int, row: Mapping[str, Any]) -> Item:
    return Item(
        id=_id(subset, index),
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=(Message("user", row["input"]),),
        # The authors count from 1: label 2 is the second response.
        responses=tuple(Response(f"output_{i}", row[f"output_{i}"]) for i in (1, 2)),
        labels=(Label("gold", (float(row["label"] == 1), float(row["label"] == 2))),),
        subset=subset,
    )


def _verdicts(item_id: str, result: Mapping[str, Any], source: str) -> Iterator[dict[str, Any]]:
    """Both orders of one item. The authors' winner names the content ("1": output_1), whatever
    the order; None is an answer that they could not read."""
    for swap, order in (("swap = False", "ab"), ("swap = True", "ba")):
        winner = result[swap]["winner"]
        if "completion" in result[swap]:
            raw = result[swap]["completion"][0]
        else:  # ratings, of each response alone
            raw = "\n".join(result[f"score_{i}"][0] for i in (1, 2))
        yield {
            "item_id": item_id,
            "order": order,
            "winner": None if winner is None else int(winner) - 1,
            "raw": raw,
            "source": f"llmbar/{source}",
        }
