"""HH-RLHF, harmlessness: 2,312 pairs of answers to people who tried to get something harmful said,
each judged by one crowd worker. The texts are offensive.

Bai et al., 2022, https://arxiv.org/abs/2204.05862.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from bench.spec import Spec
from bench.types import Item, Label, Message, Split, Task, TaskCard
from tasks.blind import blind
from tasks.rows import rows
from tasks.sources import fetch, pinned

COMMIT = "354e5c3cb8960630860dd5774a6ac2a58313bf4d"
PAIRS = "harmless-base/test.jsonl.gz"
ROLES: Mapping[str, Literal["user", "assistant"]] = {"Human": "user", "Assistant": "assistant"}
CARD = TaskCard(
    name="hh_harmless",
    title="HH-RLHF harmless-base, test split",
    domains=("safety",),
    labels="one crowd worker a pair, no ties; which worker is not published",
    licence="MIT",
    revision=COMMIT,
    url="https://github.com/anthropics/hh-rlhf",
    citation="Bai et al., Training a Helpful and Harmless Assistant with Reinforcement Learning "
    "from Human Feedback, 2022, arXiv:2204.05862",
    pairs="as published; what both transcripts share is the prompt, the last answer the response; "
    "the chosen one, first in the original, stands in a fixed pseudo-random place",
    traps=(
        "Offensive and upsetting text: insults, crimes, violence, abuse. People wrote it to make "
        "a model say harmful things.",
        "One vote a pair, of one unnamed worker: there is no human agreement and no ceiling.",
        "The less harmful of two answers was chosen, which may still be harmful, and may be the "
        "less helpful one.",
        "Always choosing the longest response scores 0.446.",
        "4 responses are empty, and all four were chosen.",
        "The models sometimes wrote on as both speakers, and this is kept as written: 37 pairs "
        "have 'Human:' or 'Assistant:' in a response, 16 more in the prompt alone. In 5 of them "
        "one transcript has an 'Assistant:' marker more than the other: all after their last "
        "common turn is the response.",
        "2,312 pairs have 2,177 opening messages: a person may have tried one opening often.",
        "The training split of this set is in many preference mixtures: check what a trained judge "
        "was trained on.",
    ),
)


class HHHarmless(Task):
    """The pairs in the authors' order."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 2,312 items, or those of one split. Raises what `tasks.sources.fetch` raises."""
        files = pinned("anthropics", "hh-rlhf", COMMIT, "hh_harmless.sha256")
        for index, row in enumerate(rows(fetch(files[PAIRS]))):
            item = _item(index, row.value)
            if split in (None, item.split):
                yield item


def make(spec: Spec) -> Task:
    """2,312 answers to harmful requests in pairs (offensive text); one crowd worker a pair.

    It has no argument and no options.
    """
    spec.bare("task hh_harmless")
    return HHHarmless()


def turns(transcript: str) -> tuple[Message, ...]:
    """The turns of a dialogue in Anthropic's plain form: a blank line, then ``Human:`` or
    ``Assistant:``, then what was said, without the white space around it.

    Speakers take turns. Where a speaker's own name comes again, the model wrote on by itself: that
    is part of its turn, and kept as written.
    """
    _, *parts = re.split(r"\n\n(Human|Assistant):", transcript)
    said: list[tuple[str, str]] = []
    for speaker, text in zip(parts[::2], parts[1::2], strict=True):
        if said and said[-1][0] == speaker:
            said[-1] = speaker, f"{said[-1][1]}\n\n{speaker}:{text}"
        else:
            said.append((speaker, text))
    return tuple(Message(ROLES[speaker], text.strip()) for speaker, text in said)


def _item(index: int, row: Mapping[str, Any]) -> Item:
    *prompt, chosen = turns(row["chosen"])
    *_, rejected = turns(row["rejected"])  # the turns before are those of `prompt`, in every row
    item_id = f"hh_harmless/{index}"
    responses, labels = blind(
        item_id,
        [(chosen.content, None), (rejected.content, None)],
        [Label("worker", (1.0, 0.0))],
    )
    return Item(
        id=item_id,
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=tuple(prompt),
        responses=responses,
        labels=labels,
    )
