"""HelpSteer3-Preference: pairs of responses to general, code, STEM and multilingual prompts, each
compared by several annotators who said how much better the better one is.

Wang et al., 2025, https://arxiv.org/abs/2505.11475.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.messages import messages
from tasks.rows import Node

DOMAINS = {"general": "chat", "code": "code", "stem": "knowledge", "multilingual": "multilingual"}
STRENGTHS = range(-3, 4)  # negative: the first response is better
COLUMNS = (
    "domain",
    "language",
    "context",
    "response1",
    "response2",
    "overall_preference",
    "individual_preference",
)
SOURCE = HubSource(
    "nvidia/HelpSteer3",
    split="validation",
    config="preference",
    files=("preference/*",),
    revision="f6d145777bcbde96137596340fab89793acd1031",
    others=("train",),
)
CARD = TaskCard(
    name="helpsteer3",
    title="HelpSteer3-Preference",
    domains=tuple(DOMAINS.values()),
    labels="the individual annotators of each pair, ties allowed; strength 1 slightly better, 2 "
    "better, 3 much better. Where none is published: the authors' overall preference, as 'overall'",
    licence="CC-BY-4.0",
    revision="",
    url=None,
    citation="Wang et al., HelpSteer3-Preference: Open Human-Annotated Preference Data across "
    "Diverse Tasks and Languages, 2025, arXiv:2505.11475",
    pairs="one item a row of the authors' validation split; with split=train, of their train split",
    traps=(
        "Annotators are positions (first, second, third), not persons: nothing can be said of one "
        "annotator. Their number varies.",
        "The overall preference was made of the individual ones by the authors and is no further "
        "vote: it stands in an item's meta.",
        "The authors' validation and train are not this bench's dev and train: those follow from "
        "the prompt alone, in either file.",
        "General prompts count as chat, STEM as knowledge; the subset is the authors' own name.",
        "Prompts may be those of HelpSteer2, which several reward models were trained on.",
    ),
)


class HelpSteer3(HubTask):
    """The pairs of one of the authors' splits, in their order."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split. Raises what `HubTask.rows` raises, and for a value
        that the set's description does not know."""
        for number, row in enumerate(self.rows(*COLUMNS)):
            item = self._item(number, row)
            if split in (None, item.split):
                yield item

    def _item(self, number: int, row: Node) -> Item:
        subset = row.member("domain").choice(DOMAINS)
        overall = row.member("overall_preference")
        return Item(
            id=f"helpsteer3/{self.source.split}/{number}",
            task=self.card.name,
            domain=DOMAINS[subset],
            prompt=_prompt(row.member("context")),
            responses=tuple(Response(n, row.member(n).text()) for n in ("response1", "response2")),
            labels=_labels(row.member("individual_preference"), overall),
            subset=subset,
            meta={
                "language": row.member("language").text_or_none(),
                "overall_preference": overall.value,
            },
        )


def make(spec: Spec) -> Task:
    """HelpSteer3-Preference validation: 2,017 pairs with several annotators' strengths.

    ``helpsteer3:split=train`` is the authors' larger train split.
    """
    return HelpSteer3(CARD, SOURCE, spec)


def _prompt(context: Node) -> tuple[Message, ...]:
    if isinstance(context.value, str):
        return (Message("user", context.value),)
    return messages(context)


def _labels(individual: Node, overall: Node) -> tuple[Label, ...]:
    """One label per annotator. The reasons that annotators gave stay out: they name the winner."""
    votes = individual.list() if individual.value is not None else []
    if not votes:
        return (Label("overall", _utilities(overall)),)
    return tuple(
        Label(f"annotator{place}", _utilities(vote.member("score")))
        for place, vote in enumerate(votes, start=1)
    )


def _utilities(score: Node) -> tuple[float, float]:
    strength = score.whole()
    if strength not in STRENGTHS:
        raise score.error("a whole number from -3 to 3")
    return float(max(-strength, 0)), float(max(strength, 0))
