"""QLoRA's Vicuna pairs: what eight models answered to 80 questions, all 28 pairs of models, and
GPT-4's recorded verdicts in both orders. No human judged them.

Dettmers et al., 2023, https://arxiv.org/abs/2305.14314.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bench.spec import Spec
from bench.types import BenchError, Item, Message, Response, Split, Task, TaskCard
from tasks.rows import rows
from tasks.sources import Source, fetch, pinned

COMMIT = "7f4e95a68dc076bea9b3a413d2b512eca6d004e5"
QUESTIONS = "eval/prompts/vicuna_questions.jsonl"
ANSWERS = "eval/generations/vicuna/{}.jsonl"
VERDICTS = "eval/ratings-gpt4/vicuna/pairwise/{}-vs-{}-gpt-4-reviewer-threeclass.jsonl"
JUDGE = "gpt-4"
GUANACO = "{}-guanaco-vicuna-generations-topp0.9-temp0.7"
WRITERS = {  # -> name of its file of answers; the names of verdict files have "-" for "_"
    "guanaco-7b": GUANACO.format("7b"),
    "guanaco-13b": GUANACO.format("13b"),
    "guanaco-30b": GUANACO.format("30b"),
    "guanaco-65b": GUANACO.format("65b"),
    "vicuna-13b": "answer_vicuna-13b",
    "bard": "answer_bard",
    "gpt-3.5-turbo": "answer_gpt35",
    "gpt-4": "answer_gpt4",
}
# The authors' class -> the winner by position shown.
WINNERS: dict[int, int | str | None] = {1: 0, 2: 1, 3: "tie", -1: None}
CARD = TaskCard(
    name="qlora_vicuna",
    title="QLoRA's pairs on the Vicuna questions",
    domains=("chat",),
    labels="none: for position bias and transitivity only",
    licence="MIT",
    revision=COMMIT,
    url="https://github.com/artidoro/qlora",
    citation="Dettmers et al., QLoRA: Efficient Finetuning of Quantized LLMs, 2023, "
    "arXiv:2305.14314",
    traps=(
        "2,240 pairs share 80 prompts, and the 28 pairs of one prompt share 8 answers.",
        "The recorded judge is GPT-4, and so is one of the writers: a quarter of the pairs are its "
        "own answer against another.",
        "13 of 4,480 verdicts are missing: 8 calls that failed, all in one file, and 5 answers "
        "that end in a sentence. Three of those choose a tie in words; the authors read none.",
        "Some Guanaco answers go on with invented turns; the judge saw them cut, as here.",
        "Other sets have the same questions: check before pooling.",
    ),
)


class QloraVicuna(Task):
    """All pairs of writers on all questions; items have no label."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 2,240 items, pair by pair of writers, or those of one split. Raises what
        `tasks.sources.fetch` raises."""
        questions = _read(QUESTIONS)
        answers = {writer: _answers(ANSWERS.format(file)) for writer, file in WRITERS.items()}
        for pair in itertools.combinations(WRITERS, 2):
            for question in questions:
                responses = tuple(
                    Response(writer, answers[writer][question["question_id"]], writer)
                    for writer in pair
                )
                item = _item(pair, question, responses)
                if split in (None, item.split):
                    yield item

    def recorded(self, source: str) -> Iterator[Mapping[str, Any]]:
        """GPT-4's verdicts in both orders, each as its authors read it."""
        if source != JUDGE:
            raise BenchError(
                f"task qlora_vicuna has no recorded judge {source!r}. There is: {JUDGE}."
            )
        for pair in itertools.combinations(WRITERS, 2):
            for order, shown in (("ab", pair), ("ba", pair[::-1])):
                files = (WRITERS[writer].replace("_", "-") for writer in shown)
                for row in _read(VERDICTS.format(*files)):
                    winner = WINNERS[row["score"]]
                    yield {
                        "item_id": _id(pair, row),
                        "order": order,
                        # Records name the content: shown first in "ba" is the second response.
                        "winner": 1 - winner
                        if order == "ba" and isinstance(winner, int)
                        else winner,
                        "raw": row["text"],
                        "source": f"qlora_vicuna/{source}",
                    }


def make(spec: Spec) -> Task:
    """QLoRA: 2,240 pairs of eight models' answers; no labels, GPT-4 in both orders"""
    spec.bare("task qlora_vicuna")
    return QloraVicuna()


@cache
def _files() -> dict[str, Source]:
    return pinned("artidoro", "qlora", COMMIT, "qlora_vicuna.sha256")


def _read(path: str) -> list[dict[str, Any]]:
    return [node.value for node in rows(fetch(_files()[path]))]


def _answers(path: str) -> dict[int, str]:
    """Question -> the answer as the judge saw it."""
    return {
        row["question_id"]: row["generation_truncated" if "generation" in row else "text"]
        for row in _read(path)
    }


def _id(pair: tuple[str, str], row: Mapping[str, Any]) -> str:
    return f"qlora_vicuna/{'-vs-'.join(pair)}/{row['question_id']}"


def _item(
    pair: tuple[str, str], question: Mapping[str, Any], responses: tuple[Response, ...]
) -> Item:
    return Item(
        id=_id(pair, question),
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=(Message("user", question["text"]),),
        responses=responses,
        subset=question["category"],
    )
