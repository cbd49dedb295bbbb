"""RewardBench 2: best of four responses in five subsets, and Ties: many right responses to one
prompt. As lists (``rewardbench2``, which has the official score), and as pairs
(``rewardbench2_pairs``, which is another benchmark).

Malik et al., 2025, https://arxiv.org/abs/2506.01937.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bench.spec import Spec
from bench.types import Item, Label, Message, Split, Task, TaskCard
from tasks.blind import Written, blind
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.rows import Node

SOURCE = HubSource(
    "allenai/reward-bench-2",
    split="test",
    files=("data/test-*",),
    revision="7ff08853b0d5686e79b13fda8677024f566a104a",
)
TIES = "Ties"
DOMAINS = {
    "Factuality": "factuality",
    "Precise IF": "instruction-following",
    "Math": "math",
    "Safety": "safety",
    "Focus": "chat",
    TIES: "ties",
}
COLUMNS = (
    *("id", "prompt", "chosen", "rejected", "num_correct", "num_incorrect", "models", "subset"),
    "additional_metadata",
)
NO_WRITER = "jailbreak"  # stands among the writers of Safety, and says how a response was got
NOT_META = ("models", "prompt_norm")  # said already; a text
_TIES_ID = re.compile(r"(ref|tied):\d+")

CARD = TaskCard(
    name="rewardbench2",
    title="RewardBench 2",
    domains=tuple(DOMAINS.values()),
    labels="gold: verifiers, majority votes, models and rubrics, or the authors' own check, by "
    "subset",
    licence="ODC-BY (responses also under their writers' terms)",
    revision="",
    citation="Malik et al., RewardBench 2: Advancing Reward Model Evaluation, 2025, "
    "arXiv:2506.01937",
    pairs="one item a row: the right responses against all wrong ones, 1 of 4, in Ties 1 to 26 of "
    "11 to 38. The authors put the right ones first; here a fixed pseudo-random order",
    clusters="the prompt; in Ties the question, which two rows put",
    traps=(
        "Chance is 1/4 in the five subsets and near 0.01 in Ties, whose score goes up to 1.01.",
        "The official score needs a rating of each response of Ties: a judge that only names the "
        "best one has none. It is not the mean over the items, which the leaderboard table shows.",
        "Ties holds two rows a question, ref:N with one right response and tied:N with several; "
        "both are scored together, so a sample of the items has no true Ties score.",
        "Published scores of prompted judges are the better of two ways to ask, and use one random "
        "order each.",
        "Writers are in the order of the authors' column `models`, which their card says to be "
        "that of the responses; 'jailbreak' there is no writer.",
        "Labels of Factuality and Safety come from models as judges.",
    ),
)
PAIRS_CARD = replace(
    CARD,
    name="rewardbench2_pairs",
    title="RewardBench 2 as pairs",
    domains=tuple(domain for subset, domain in DOMAINS.items() if subset != TIES),
    pairs="three pairs a row: the right response against each wrong one. Ties is left out: its "
    "pairs of right responses have no label, and its formula needs a rating of each response",
    clusters="the prompt",
    traps=(
        "Another benchmark than RewardBench 2: chance is 1/8 (all three pairs won) or 1/2 (mean), "
        "where the official score has 1/4. Never compare the two.",
        *CARD.traps[3:],
    ),
)


class RewardBench2(HubTask):
    """All rows as lists, in the authors' order."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 1,865 items, or those of one split. Raises what `HubTask.rows` raises, and for a row
        that breaks the set's own rules."""
        for row in self._checked():
            right, wrong = (len(row.member(name).list()) for name in ("chosen", "rejected"))
            gold = Label("gold", (1.0,) * right + (0.0,) * wrong)
            item = _item(self.card.name, row, _name(row), _written(row), gold)
            if split in (None, item.split):
                yield item

    def _checked(self) -> Iterator[Node]:
        seen: set[str] = set()
        for row in self.rows(*COLUMNS):
            _check(row)
            if _name(row) in seen:
                raise row.member("id").error("an id that no other row of its subset has")
            seen.add(_name(row))
            yield row


class RewardBench2Pairs(RewardBench2):
    """The rows of the five best-of-four subsets as pairs."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 5,289 pairs, or those of one split, three of one row after each other."""
        for row in self._checked():
            if row.member("subset").value == TIES:
                continue
            right, *wrong = _written(row)
            for k, rejected in enumerate(wrong):
                gold = Label("gold", (1.0, 0.0))
                item = _item(self.card.name, row, f"{_name(row)}/{k}", [right, rejected], gold)
                if split in (None, item.split):
                    yield item


def make(spec: Spec) -> Task:
    """RewardBench 2: 1,763 best-of-four lists and 102 Ties, gold answers."""
    return RewardBench2(CARD, SOURCE, spec)


def pairs(spec: Spec) -> Task:
    """RewardBench 2 as 5,289 pairs, right against wrong; without Ties, not its official score."""
    return RewardBench2Pairs(PAIRS_CARD, SOURCE, spec)


def _name(row: Node) -> str:
    """Ids are unique within their subset only."""
    return f"{row.member('subset').value}/{row.member('id').text(empty=False)}"


def _number(row: Node) -> str:
    """Of the question that a row of Ties puts."""
    return row.member("id").text().partition(":")[2]


def _check(row: Node) -> None:
    """A row keeps to the rules of its subset: as many responses as it says, one right and three
    wrong ones, and in Ties an id that tells the two kinds of rows apart."""
    subset = row.member("subset").choice(DOMAINS)
    counts = []
    for column, said in (("chosen", "num_correct"), ("rejected", "num_incorrect")):
        counts.append(len(row.member(column).list()))
        if row.member(said).whole() != counts[-1]:
            raise row.member(said).error(f"the number of responses in {column}, {counts[-1]},")
    right, wrong = counts
    if subset == TIES:
        kind = _TIES_ID.fullmatch(row.member("id").text())
        if kind is None:
            raise row.member("id").error("ref:N or tied:N")
        if wrong < 1 or (right != 1 if kind[1] == "ref" else right < 2):
            expected = "one right" if kind[1] == "ref" else "several right"
            raise row.member("num_correct").error(f"{expected} and at least one wrong response")
    elif (right, wrong) != (1, 3):
        raise row.member("num_correct").error("one right and three wrong responses")


def _written(row: Node) -> list[Written]:
    """(text, writer) of each response, right ones first. One name alone wrote them all."""
    texts = [node.text() for name in ("chosen", "rejected") for node in row.member(name).list()]
    models = row.member("models")
    names = [] if models.value is None else [name.text() for name in models.list()]
    if len(names) == 1:
        names *= len(texts)
    if len(names) != len(texts):  # whose is whose is not said
        return [(text, None) for text in texts]
    return [(t, None if n == NO_WRITER else n) for t, n in zip(texts, names, strict=True)]


def _item(task: str, row: Node, name: str, written: list[Written], gold: Label) -> Item:
    subset = row.member("subset").choice(DOMAINS)
    responses, labels = blind(f"{task}/{name}", written, [gold])
    return Item(
        id=f"{task}/{name}",
        task=task,
        domain=DOMAINS[subset],
        prompt=(Message("user", row.member("prompt").text()),),
        responses=responses,
        labels=labels,
        subset=subset,
        # ref:N and tied:N put one question in two ways.
        cluster=f"{task}/Ties/{_number(row)}" if subset == TIES else None,
        meta={"models": row.member("models").value, **_meta(row.member("additional_metadata"))},
    )


def _meta(extra: Node) -> dict[str, Any]:
    """The fields that a subset fills; whole numbers, which its file holds as floats, as such."""
    if not isinstance(extra.value, dict | None):
        raise extra.error("an object or null")
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in (extra.value or {}).items()
        if value is not None and name not in NOT_META
    }
