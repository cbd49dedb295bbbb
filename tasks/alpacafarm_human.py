"""AlpacaFarm human cross-annotations: two outputs for an instruction, judged by several crowd
workers; the set behind the agreement figures of AlpacaEval.

Dubois et al., 2023, https://arxiv.org/abs/2305.14387.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard, content_key
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.rows import Node

SOURCE = HubSource(
    "tatsu-lab/alpaca_eval",
    split="validation",
    files=("alpaca_farm_human_crossannotations.json",),
    builder="json",
    # The newest known to us by its whole name; the file did not change after June 2023.
    revision="2955709b93b0e08df511a752a3874b0a89b8910b",
)
TEXTS = ("instruction", "output_1", "output_2")
UTILITIES = {1: (1.0, 0.0), 2: (0.0, 1.0)}
CARD = TaskCard(
    name="alpacafarm_human",
    title="AlpacaFarm human cross-annotations",
    domains=("chat",),
    labels="every vote of about four crowd workers, no ties; the workers (annotator_N) are "
    "persons. A worker's second vote on an item is a retest",
    licence="CC-BY-NC-4.0 (the repository's tag; its loading script says CC-BY-4.0)",
    revision="",
    citation="Dubois et al., AlpacaFarm: A Simulation Framework for Methods that Learn from Human "
    "Feedback, 2023, arXiv:2305.14387",
    pairs="one item an instruction and two outputs in their order; the file has one row a vote",
    traps=(
        "AlpacaEval keeps at most four votes an item and leaves out items with fewer; here all "
        "votes and all items are kept, so figures differ a little from its own.",
        "Four votes can split two to two: there is no majority then. AlpacaEval draws one of the "
        "two; here both sides of the split stay labels.",
        "A ruler for length nearly meets a human: AlpacaEval gives 62.2 % agreement for always "
        "the longest and 65.7 % for humans among themselves.",
        "Who wrote an output is not in the file. A second file, which AlpacaEval joins, has one "
        "name a pair; it is not joined here, so nothing can be said of judges that prefer their "
        "own.",
    ),
)


@dataclass
class _Votes:
    """The votes on an item so far. `dataset`: where its instruction is from."""

    dataset: str
    labels: list[Label] = field(default_factory=list)
    retests: list[Label] = field(default_factory=list)


class AlpacaFarmHuman(HubTask):
    """Items in the order in which their first vote stands in the file."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split. Raises BenchError where a row is not what it should
        be, with its place and what was found."""
        found: dict[tuple[str, ...], _Votes] = {}
        for row in self.rows(*TEXTS, "preference", "annotator_index", "dataset"):
            key = tuple(row.member(name).text() for name in TEXTS)
            votes = found.setdefault(key, _Votes(row.member("dataset").text(empty=False)))
            label = _label(row)
            again = any(label.annotator == other.annotator for other in votes.labels)
            (votes.retests if again else votes.labels).append(label)
        for key, votes in found.items():
            item = _item(key, votes)
            if split in (None, item.split):
                yield item


def make(spec: Spec) -> Task:
    """AlpacaFarm: about 650 pairs of outputs, each judged by about 4 crowd workers

    ``alpacafarm_human``, with revision=COMMIT, or ``alpacafarm_human:PATH`` for a local copy.
    """
    return AlpacaFarmHuman(CARD, SOURCE, spec)


def _label(row: Node) -> Label:
    preference = row.member("preference")
    if preference.number() not in UTILITIES:
        raise preference.error("1 (output_1 is better) or 2 (output_2)")
    worker = row.member("annotator_index").whole()
    return Label(f"annotator_{worker}", UTILITIES[preference.whole()])


def _item(key: tuple[str, ...], votes: _Votes) -> Item:
    instruction, *outputs = key
    return Item(
        id=f"{CARD.name}/{content_key(*key)}",
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=(Message("user", instruction),),
        responses=tuple(Response(f"output_{i}", text) for i, text in enumerate(outputs, start=1)),
        labels=tuple(votes.labels),
        subset=votes.dataset,
        retests=tuple(votes.retests),
    )
