"""EVOUNA: short factual questions, five models' answers, and what humans found correct.

Wang et al., 2023, https://arxiv.org/abs/2305.12421.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.spec import Spec
from bench.types import Item, Label, Message, Split, Task, TaskCard
from tasks.blind import blind
from tasks.sources import pinned, read_json

COMMIT = "90007d39d4ef0720984f80d56a586c66d6241e70"
SUBSETS = ("NQ", "TQ")
WRITERS = {  # name in the file -> model
    "fid": "fid",
    "gpt35": "gpt-3.5",
    "chatgpt": "gpt-3.5-chatgpt",
    "gpt4": "gpt-4",
    "newbing": "bing-chat",
}
CARD = TaskCard(
    name="evouna",
    title="EVOUNA",
    domains=("factuality",),
    labels="a human's correct (1) or incorrect (0) for each answer, held against the reference",
    licence="Apache-2.0",
    revision=COMMIT,
    url="https://github.com/wangcunxiang/QA-Eval",
    citation="Wang et al., Evaluating Open-QA Evaluation, 2023, arXiv:2305.12421",
    pairs="one item a question with all its judged answers: those marked correct against the "
    "others; questions marked improper are left out, and those whose answers are all correct or "
    "all incorrect; the writers, always in one order in the original, stand in a fixed "
    "pseudo-random one",
    traps=(
        "Of 5,610 questions 652 are marked improper, and the judged answers of 2,820 are all right "
        "or all wrong: 2,138 are left (NQ 1,522 of 3,610, TQ 616 of 2,000), all with 5 responses.",
        "3.0 of 5 answers are correct on average: picking blindly scores 0.598. Always choosing "
        "the longest scores 0.688, the shortest 0.497.",
        "An answer that is null in the original, or without a judgement, is left out. On proper "
        "questions these are two; NQ/1986 would be an item, had the file the null answer.",
        "In 113 items two writers gave the same text, in 5 of them it was once found correct and "
        "once not; in one item a response is empty.",
        "NQ/2671 has the text of another question (that of NQ/2705); its answers and judgements "
        "are of the question that is lost. It is kept, as published.",
        "The reference lists alternatives with '/' between them, up to 185 on TQ. Answers "
        "that were right when written may be outdated: some questions ask for the latest of "
        "something.",
        "Natural Questions and TriviaQA are in the training data of most models.",
    ),
)


class EVOUNA(Task):
    """The questions of NQ, then of TQ, in the authors' order."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 2,138 items, or those of one split. Raises what `tasks.sources.fetch` raises."""
        files = pinned("wangcunxiang", "QA-Eval", COMMIT, "evouna.sha256")
        for subset in SUBSETS:
            for index, row in enumerate(read_json(files[f"EVOUNA/{subset}.json"])):
                judged = _judged(row)
                if row["improper"] or len(set(judged.values())) < 2:
                    continue
                item = _item(subset, index, row, judged)
                if split in (None, item.split):
                    yield item


def make(spec: Spec) -> Task:
    """2,138 factual questions, five models' answers; a human marked each correct or not.

    It has no argument and no options.
    """
    spec.bare("task evouna")
    return EVOUNA()


def _judged(row: Mapping[str, Any]) -> dict[str, bool]:
    """Writer -> whether the answer is correct, for the answers that there are and that were
    judged. No judgement is null in NQ and the text "nan" in TQ."""
    return {
        writer: row[f"judge_{writer}"]
        for writer in WRITERS
        if isinstance(row[f"judge_{writer}"], bool) and row[f"answer_{writer}"] is not None
    }


def _item(subset: str, index: int, row: Mapping[str, Any], judged: Mapping[str, bool]) -> Item:
    item_id = f"evouna/{subset}/{index}"
    responses, labels = blind(
        item_id,
        [(row[f"answer_{writer}"], WRITERS[writer]) for writer in judged],
        [Label("gold", tuple(map(float, judged.values())))],
    )
    return Item(
        id=item_id,
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=(Message("user", row["question"]),),
        responses=responses,
        labels=labels,
        subset=subset,
        reference=row["golden_answer"],
    )
