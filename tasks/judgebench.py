"""JudgeBench: pairs of responses by one strong model, of which one is right by an objective check.
Two tasks, one for each of the models that wrote them.

Tan et al., 2024, https://arxiv.org/abs/2410.12784.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.ids import UniqueIds
from tasks.rows import Node

COLUMNS = (
    *("pair_id", "original_id", "source", "question", "response_model"),
    *("response_A", "response_B", "label"),
)
UTILITIES = {"A>B": (1.0, 0.0), "B>A": (0.0, 1.0)}
DOMAINS = {  # beginnings of the authors' sources
    "mmlu-pro": "knowledge",
    "livebench-reasoning": "reasoning",
    "livebench-math": "math",
    "livecodebench": "code",
}
GPT = TaskCard(
    name="judgebench_gpt",
    title="JudgeBench, responses by GPT-4o",
    domains=tuple(DOMAINS.values()),
    labels="gold: answer keys, verifiers or tests of the sets that questions come from; no ties",
    licence="MIT on the hub; the authors' repository has none",
    revision="",
    citation="Tan et al., JudgeBench: A Benchmark for Evaluating LLM-based Judges, 2024, "
    "arXiv:2410.12784",
    traps=(
        "The official score is the net vote of both orders: a tie in one and right in the other is "
        "right, right and wrong is wrong. By it o1-mini has 0.657, by the mean of its orders "
        "0.727, where both must be right 0.580.",
        "Both responses are by one model: nothing can be said of a judge's liking for its own.",
        "Response A is right in 55 % of the pairs (193 of 350): look at a judge's first slot.",
        "91 questions are also in judgebench_claude.",
        "MMLU-Pro, LiveBench and LiveCodeBench are public: a judge may know the answers.",
    ),
)
CLAUDE = replace(
    GPT,
    name="judgebench_claude",
    title="JudgeBench, responses by Claude 3.5 Sonnet",
    traps=(
        *GPT.traps[:2],
        "Response A is right in 53 % of the pairs (143 of 270): look at a judge's first slot.",
        "91 questions are also in judgebench_gpt. Two pairs share a question, and the two "
        "responses of one pair are the same text.",
        GPT.traps[-1],
    ),
)


class JudgeBench(HubTask):
    """The pairs of one writer, in the authors' order."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items (350 of GPT-4o, 270 of Claude), or those of one split. Raises what
        `HubTask.rows` raises, and for a source or a label that the authors do not have."""
        ids = UniqueIds()
        for row in self.rows(*COLUMNS):
            item = self._item(row, ids)
            if split in (None, item.split):
                yield item

    def _item(self, row: Node, ids: UniqueIds) -> Item:
        writer = row.member("response_model").text()
        return Item(
            id=ids.of(f"{self.card.name}/{row.member('pair_id').text(empty=False)}"),
            task=self.card.name,
            domain=_domain(row.member("source")),
            prompt=(Message("user", row.member("question").text()),),
            responses=tuple(
                Response(name, row.member(f"response_{name}").text(), writer) for name in "AB"
            ),
            labels=(Label("gold", UTILITIES[row.member("label").choice(UTILITIES)]),),
            subset=row.member("source").text(),
            meta={"original_id": _original(row.member("original_id"))},
        )


def gpt(spec: Spec) -> Task:
    """JudgeBench, GPT-4o's responses: 350 pairs, objectively right or wrong."""
    return JudgeBench(GPT, _source("gpt"), spec)


def claude(spec: Spec) -> Task:
    """JudgeBench, Claude 3.5 Sonnet's responses: 270 pairs, objectively right or wrong."""
    return JudgeBench(CLAUDE, _source("claude"), spec)


def _source(split: str) -> HubSource:
    return HubSource(
        "ScalerLab/JudgeBench", split=split, files=(f"data/{split}-*",), builder="json"
    )


def _domain(source: Node) -> str:
    name = source.text()
    found = [domain for beginning, domain in DOMAINS.items() if name.startswith(beginning)]
    if not found:
        raise source.error(f"a source that begins with {', '.join(DOMAINS)}")
    return found[0]


def _original(number: Node) -> int | str | None:
    """The question's number in its own set: whole in the files, text on the authors' page."""
    if number.value is None or isinstance(number.value, str):
        return number.text_or_none()
    return number.whole()
