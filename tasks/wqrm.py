"""WQRM: 101 drafts, each with two edits of it, ranked by professional writers, and the scores of
the trained judge that chose one of the edits.

Chakrabarty et al., 2025, https://arxiv.org/abs/2504.07532.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.spec import Spec
from bench.types import BenchError, Item, Label, Message, Response, Split, Task, TaskCard
from tasks.blind import blind
from tasks.sources import pinned, read_json

COMMIT = "fced0ab2d3068244152d1302a8bd8e9f538440f5"
ANNOTATIONS = "WritingRewards/WQRM_annotations.json"
JUDGE = "wqrm"
STAGES = {"first_draft": "", "random_cot": " + random edit", "best_cot": " + best edit"}
UTILITIES = {
    "Most Preferred Writing Option": 2.0,
    "Second Favorite Writing Option": 1.0,
    "Least Preferred Writing Option": 0.0,
}
CARD = TaskCard(
    name="wqrm",
    title="WQRM annotations",
    domains=("creative-writing",),
    labels="2 to 4 professional writers an item, each of whom ranked all three texts; utilities "
    "are 2, 1, 0 by rank, strength was not asked",
    licence="BSD-3-Clause",
    revision=COMMIT,
    url="https://github.com/salesforce/creativity_eval",
    citation="Chakrabarty et al., AI-Slop to AI-Polish? Aligning Language Models through "
    "Edit-Based Writing Rewards and Test-time Computation, 2025, arXiv:2504.07532",
    pairs="as published, in a fixed pseudo-random order: a first draft, a random edit and the edit "
    "that WQRM scored highest. The prompt puts the published voice, length and plot into words "
    "of ours. The reference is the published paragraph that a nonfiction plot was taken from",
    traps=(
        "Writers hardly agree: two put the same text first in 0.412 of pairs of votes (chance "
        "0.333), and 27 of 101 items have no majority. Measure judges against this ceiling.",
        "The recorded judge chose one of the texts: its first place is that text in all items, by "
        "construction. That text is preferred in 0.496 of 280 votes, which is also WQRM's score.",
        "Always choosing the longest scores 0.162 on the 74 items with a majority (0.219 by the "
        "mean vote): edits cut.",
        "For the 33 marketing items only the name of a product is published, no instruction; the "
        "prompt asks for a marketing text for it.",
        "Annotators are positions in a list and no persons.",
        "101 items share 75 prompts: the same instruction went to two model families.",
        "WQRM was trained on edits from LAMP: other sets by these authors are no fresh ground.",
    ),
)

Row = Mapping[str, Any]


class WQRM(Task):
    """The items in the authors' order."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 101 items, or those of one split. Raises what `tasks.sources.fetch` raises."""
        for row in _rows():
            item = _item(row)
            if split in (None, item.split):
                yield item

    def recorded(self, source: str) -> Iterator[Mapping[str, Any]]:
        """WQRM's scores (0 to 10) of the texts, each seen alone."""
        if source != JUDGE:
            raise BenchError(f"task wqrm has no recorded judge {source!r}. There is: {JUDGE}.")
        for row in _rows():
            scores = tuple(row[stage]["wqrm_score"] for stage in STAGES)
            _, (label,) = _shown(row, [Label(JUDGE, scores)])
            yield {
                "item_id": _id(row),
                "order": "point",
                "scores": list(label.utilities),
                "source": f"wqrm/{source}",
            }


def make(spec: Spec) -> Task:
    """101 drafts with two edits, ranked by 2 to 4 writers; recorded scores of trained WQRM.

    It has no argument and no options.
    """
    spec.bare("task wqrm")
    return WQRM()


def _rows() -> list[Row]:
    files = pinned("salesforce", "creativity_eval", COMMIT, "wqrm.sha256")
    rows: list[Row] = read_json(files[ANNOTATIONS])
    return rows


def _id(row: Row) -> str:
    return f"wqrm/{row['id']}"


def _shown(row: Row, labels: list[Label]) -> tuple[tuple[Response, ...], tuple[Label, ...]]:
    """The texts and the labels, turned from the order of `STAGES` to the one that items have: the
    last stage is the best one more often than not."""
    texts = [(row[stage]["candidate"], row["llm"] + edit) for stage, edit in STAGES.items()]
    return blind(_id(row), texts, labels)


def _item(row: Row) -> Item:
    rankings = [
        Label(f"annotator{i}", tuple(UTILITIES[ranking[stage]] for stage in STAGES))
        for i, ranking in enumerate(row["annotations"], start=1)
    ]
    responses, labels = _shown(row, rankings)
    return Item(
        id=_id(row),
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=(Message("user", _prompt(row)),),
        responses=responses,
        labels=labels,
        subset=row["genre"],
        reference=row["instruction"].get("paragraph"),
    )


def _prompt(row: Row) -> str:
    """What was asked for; of a marketing text only the product is known, from the item's name."""
    instruction = row["instruction"]
    if row["genre"] == "marketing":
        product = instruction["plot"].partition("_marketing_")[2].replace("_", " ")
        return f"Write a marketing text for this product: {product}."
    return (
        f"Write a {row['genre']} paragraph of about {instruction['word_count']} words. "
        f"Voice: {instruction['voice']}. Content: {instruction['plot']}"
    )
