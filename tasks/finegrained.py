"""Fine-Grained RLHF, QA-Feedback: 500 questions, four sampled answers to each, all six pairs judged
by one annotator.

Wu et al., 2023, https://arxiv.org/abs/2306.01693.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard
from tasks.sources import pinned, read_json

COMMIT = "a1469d4eba0b3754bcb343beb88f0aca24bf4848"
FEEDBACK = "tasks/qa_feedback/data/dev_feedback.json"
PAIRS = tuple(itertools.combinations((1, 2, 3, 4), 2))  # in the order of the field `preference`
UTILITIES = {0: (0.0, 0.0), 1: (1.0, 0.0), 2: (0.0, 1.0)}
WRITER = "t5-large"
CARD = TaskCard(
    name="finegrained",
    title="QA-Feedback, dev split",
    domains=("long-form-qa",),
    labels="one annotator a question, who judged all six pairs; ties allowed",
    licence="Apache-2.0",
    revision=COMMIT,
    url="https://github.com/allenai/FineGrainedRLHF",
    citation="Wu et al., Fine-Grained Human Feedback Gives Better Rewards for Language Model "
    "Training, 2023, arXiv:2306.01693",
    pairs="as published, each an item: 1-2, 1-3, 1-4, 2-3, 2-4, 3-4. The prompt is the question "
    "and then the passages that the annotator saw, and that the answers were written from",
    traps=(
        "3,000 pairs share 500 questions and 2,000 answers; 384 are ties.",
        "Annotators preferred the answer that is numbered first in 0.603 of the pairs that they "
        "decided, although the four are samples of one model: part of these labels is position. "
        "Answer 1 is also the one whose errors were marked and mended.",
        "Always choosing the longest response scores 0.512.",
        "In 22 of 500 questions the six judgements contradict one another.",
        "The annotators worked with the passages, and what those do not bear out counts among the "
        "errors that they marked: a judge that passes over them sees less. 2 questions have none.",
        "The questions and the reference, a long answer written by a person, are ASQA's, made of "
        "Natural Questions: check before pooling.",
    ),
)


class FineGrained(Task):
    """The pairs, question by question in the authors' order."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 3,000 items, or those of one split. Raises what `tasks.sources.fetch` raises."""
        files = pinned("allenai", "FineGrainedRLHF", COMMIT, "finegrained.sha256")
        for index, row in enumerate(read_json(files[FEEDBACK])):
            for pair, preference in zip(PAIRS, row["preference"], strict=True):
                item = _item(index, row, pair, preference)
                if split in (None, item.split):
                    yield item


def make(spec: Spec) -> Task:
    """3,000 pairs of long answers to 500 questions with passages; one annotator, ties.

    It has no argument and no options.
    """
    spec.bare("task finegrained")
    return FineGrained()


def _item(index: int, row: Mapping[str, Any], pair: tuple[int, int], preference: int) -> Item:
    names = [f"prediction {number}" for number in pair]
    return Item(
        id=f"finegrained/{index}/{pair[0]}-vs-{pair[1]}",
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=(Message("user", _prompt(row["question"], row["passages"])),),
        responses=tuple(Response(name, row[name], WRITER) for name in names),
        labels=(Label("annotator", UTILITIES[preference]),),
        reference=row["gold"],
    )


def _prompt(question: str, passages: Sequence[Sequence[str]]) -> str:
    """The question and, after it, each passage under its title. `passages`: title, sentences."""
    texts = [question]
    for number, (escaped, *sentences) in enumerate(passages, start=1):
        title = html.unescape(escaped)
        # The first passage of a page begins with the page's title once more.
        text = " ".join(sentences).removeprefix(title + "\n\n").strip()
        texts.append(f"Passage {number}: {title}\n{text}")
    return "\n\n".join(texts)
