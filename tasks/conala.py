"""CoNaLa: Python one-liners by five models for 472 intents, graded from 0 to 4 by programmers.

Evtikhiev et al., 2022, https://arxiv.org/abs/2208.03133.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from bench.spec import Spec
from bench.types import Item, Label, Message, Split, Task, TaskCard, content_key
from tasks.blind import blind
from tasks.sources import pinned, read_json

COMMIT = "b630570dd513b471d941de1c85257e639a7e1a65"
GRADES = "data/to-grade/conala/conala-human-grades.json"
MODELS = ("baseline", "tranx-annot", "best-tranx", "best-tranx-rerank", "codex")
GRADERS = 2  # who graded both snippets, at least
PER_INTENT = 2  # pairs kept
CARD = TaskCard(
    name="conala",
    title="CoNaLa with human grades",
    domains=("code",),
    labels="programmers who graded both snippets, 2 to 8 a pair; utilities are the grades (0 to "
    "4), so their difference is a strength, and equal grades are a tie",
    licence="Apache-2.0; intents and reference snippets CC-BY-SA (Stack Overflow)",
    revision=COMMIT,
    url="https://github.com/JetBrains-Research/codegen-metrics",
    citation="Evtikhiev et al., Out of the BLEU: How Should We Assess Quality of the Code "
    "Generation Models?, 2022, arXiv:2208.03133",
    pairs="two models' snippets for one intent, when at least 2 programmers graded both and the "
    "texts differ; at most 2 pairs an intent, those that most programmers graded, and of equals "
    "those whose ids have the lowest content key. The reference is the first of the published "
    "ones; 16 intents have several",
    traps=(
        "944 pairs share 472 prompts and 1,574 snippets; the two pairs of an intent often share a "
        "snippet.",
        "Programmers are persons, and saw different subsets: two of 16 graded nearly all pairs "
        "here, eight fewer than a tenth, one none.",
        "They agree in 0.571 of pairs of votes with ties, in 0.832 where both decided: 0.316 of "
        "votes are ties, more than half of them between two snippets graded 0.",
        "Each snippet was graded by itself: preferences and ties follow from two grades.",
        "Codex stands in 375 pairs, and is better in 0.808 of their votes that decide. In 352 of "
        "the other 569 both mean grades are below 2: they compare two bad answers. Most snippets "
        "of the three tranx models do not parse as Python.",
        "Always choosing the longest scores 0.434 against the majority.",
        "2 pairs have an empty snippet. Prompts say what is wanted and not that it is Python.",
        "Intents and references are CoNaLa's public test set: models may have learnt them.",
    ),
)

Row = Mapping[str, Any]
Pair = tuple[str, str]


class CoNaLa(Task):
    """Pairs of snippets, intent by intent in the authors' order."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 944 items, or those of one split. Raises what `tasks.sources.fetch` raises."""
        files = pinned("JetBrains-Research", "codegen-metrics", COMMIT, "conala.sha256")
        for index, row in enumerate(read_json(files[GRADES])):
            for pair in _kept(index, row):
                item = _item(index, row, pair)
                if split in (None, item.split):
                    yield item


def make(spec: Spec) -> Task:
    """944 pairs of Python snippets by five models; grades 0 to 4 by 2 to 8 programmers.

    It has no argument and no options.
    """
    spec.bare("task conala")
    return CoNaLa()


def _kept(index: int, row: Row) -> list[Pair]:
    """The pairs of one intent that become items, in the order of `MODELS`."""
    fit = [
        pair
        for pair in itertools.combinations(MODELS, 2)
        if len(_graders(row, pair)) >= GRADERS and row[pair[0]] != row[pair[1]]
    ]
    best = sorted(fit, key=lambda p: (-len(_graders(row, p)), content_key(_id(index, p))))
    return [pair for pair in fit if pair in best[:PER_INTENT]]


def _graders(row: Row, pair: Pair) -> list[str]:
    """Who graded both snippets."""
    first, second = (row[f"grade-{model}"] for model in pair)
    return [grader for grader in first if grader in second]


def _id(index: int, pair: Pair) -> str:
    return f"conala/{index}/{'-vs-'.join(pair)}"


def _item(index: int, row: Row, pair: Pair) -> Item:
    # The order of the models gives answers away: the last one is far better than the others.
    responses, labels = blind(
        _id(index, pair),
        [(row[model], model) for model in pair],
        [
            Label(grader, tuple(float(row[f"grade-{model}"][grader]) for model in pair))
            for grader in _graders(row, pair)
        ],
    )
    return Item(
        id=_id(index, pair),
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=(Message("user", row["intent"]),),
        responses=responses,
        labels=labels,
        reference=row["snippet"][0],
    )
