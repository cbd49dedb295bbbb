"""JudgeLM-100K, train: pairs of answers scored by a large model, a source of training pairs.

Zhu et al., 2023, https://arxiv.org/abs/2310.17631.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.left_out import told
from tasks.rows import Node

NO_VERDICT = "without a readable verdict"
_NUMBER = r"(-?\d{1,3}(?:\.\d{1,3})?)"
_SCORES = re.compile(rf"\s*{_NUMBER}[\s,]+{_NUMBER}\s*")
COLUMNS = (
    "question_body",
    "answer1_body",
    "answer2_body",
    "answer1_model_id",
    "answer2_model_id",
    "text",
)
SOURCE = HubSource(
    "BAAI/JudgeLM-100K",
    files=("judgelm_train_100k.jsonl",),
    builder="json",  # the validation files beside it have other columns
    revision="16f7d72e24cad8b9a64e48d424d410bdd357168c",
)
CARD = TaskCard(
    name="judgelm_100k",
    title="JudgeLM-100K, train",
    domains=("chat",),
    labels="one verdict of GPT-4 a pair, given without the reference answer; strength is the "
    "difference of its two scores (1 to 10), equal scores are a tie",
    licence="CC-BY-NC-4.0",
    revision="",
    url=None,
    citation="Zhu et al., JudgeLM: Fine-tuned Large Language Models are Scalable Judges, 2023, "
    "arXiv:2310.17631",
    pairs="one item a row of the train file",
    training_source=True,
    traps=(
        "Labels are a model's, one verdict a pair: its position bias is in them.",
        "With and without the reference answer are two verdicts; only the one without is a label.",
        "Rows without a readable verdict ('error', or scores of -1) are left out and counted.",
        "The validation file has other columns, and scores there are not the teacher's.",
    ),
)


class JudgeLM100K(HubTask):
    """The pairs of the train file, in its order."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split, read as they are asked for. Raises what `HubTask.rows`
        raises, and for a value that is not of the type that the set's description gives."""
        left_out: Counter[str] = Counter()
        for number, row in enumerate(self.rows(*COLUMNS)):
            scores = _scores(row)
            if scores is None:
                left_out[NO_VERDICT] += 1
                continue
            item = self._item(number, row, scores)
            if split in (None, item.split):
                yield item
        self.card = told(self.card, CARD.traps, left_out)

    def _item(self, number: int, row: Node, scores: tuple[float, float]) -> Item:
        reference = row.member_or_none("reference")
        return Item(
            id=f"judgelm_100k/{number}",
            task=self.card.name,
            domain="chat",
            prompt=(Message("user", row.member("question_body").text()),),
            responses=tuple(
                Response(
                    f"answer{side}",
                    row.member(f"answer{side}_body").text(),
                    row.member(f"answer{side}_model_id").text_or_none() or None,
                )
                for side in (1, 2)
            ),
            labels=(Label("teacher", scores),),
            reference=None
            if reference.value is None
            else reference.member_or_none("text").text_or_none(),
        )


def make(spec: Spec) -> Task:
    """JudgeLM-100K: 100,000 pairs scored by a large model, to train on."""
    return JudgeLM100K(CARD, SOURCE, spec)


def _scores(row: Node) -> tuple[float, float] | None:
    """The teacher's scores of both answers, None where it gave none that can be read."""
    text = row.member("text").text()
    if text.strip().casefold() == "error":
        return None
    given = row.member_or_none("score")
    if given.value is None:
        return _read(text)
    scores = [score.number() for score in given.list()]
    if len(scores) != 2:
        raise given.error("two scores")
    # -1 is how the authors write that they could read none.
    return (scores[0], scores[1]) if min(scores) >= 0 else None


def _read(text: str) -> tuple[float, float] | None:
    """The scores in the first line of the teacher's answer."""
    found = _SCORES.fullmatch(text.partition("\n")[0])
    scores = (float(found[1]), float(found[2])) if found else None
    return scores if scores and min(scores) >= 0 else None
