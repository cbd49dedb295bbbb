"""RM-Bench: one right and one subtly wrong answer to a prompt, each in three styles, and so nine
pairs: does the judge see the error behind the style?

Liu et al., 2024, https://arxiv.org/abs/2410.16184.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from bench.spec import Spec
from bench.types import Item, Label, Message, Split, Task, TaskCard
from tasks.blind import blind
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.ids import UniqueIds
from tasks.rows import Node

SOURCE = HubSource("THU-KEG/RM-Bench", files=("total_dataset.json",), builder="json")
DOMAINS = {
    "chat": "chat",
    "code": "code",
    "math": "math",
    "safety-refuse": "safety",
    "safety-response": "safety",
}
STYLES = ("concise", "detailed plain text", "detailed markdown")
ONE_DOMAIN = "_filtered.json"  # ends the names of the authors' files of one domain each
CARD = TaskCard(
    name="rmbench",
    title="RM-Bench",
    domains=tuple(dict.fromkeys(DOMAINS.values())),
    labels="gold: the wrong answer has an error that was put in, failed tests, or is the wrong "
    "reaction to a request",
    licence="ODC-BY on the hub; the authors' repository has none",
    revision="",
    citation="Liu et al., RM-Bench: Benchmarking Reward Models of Language Models with Subtlety "
    "and Style, 2024, arXiv:2410.16184",
    pairs="nine a prompt: each style of the right answer against each style of the wrong one "
    "(indices from 0: concise, detailed plain text, detailed markdown), in a fixed pseudo-random "
    "order",
    traps=(
        "The official score is made of the styles and takes strict wins alone: a tie is a loss, so "
        "a judge that always ties has 0. The leaderboard table gives half for a tie.",
        "Nine pairs share a prompt; some styles of an answer are the same text (12 chat, 13 code, "
        "24 safety prompts of right answers), which is judged once and counted in every pair.",
        "The overall score weighs four domains alike; by pairs math would be two fifths.",
        "Prompts come from subsets of RewardBench, 295 from XSTest: not independent of them.",
    ),
)


class RMBench(HubTask):
    """The pairs, the nine of a prompt after each other, prompts in the authors' order."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 11,943 items of 1,327 prompts, or those of one split. Raises what `HubTask.rows`
        raises, for an unknown domain, and for a row without three styles on both sides."""
        ids = UniqueIds()
        for row in self.rows("id", "prompt", "chosen", "rejected"):
            for item in self._items(row, ids):
                if split in (None, item.split):
                    yield item

    def _items(self, row: Node, ids: UniqueIds) -> Iterator[Item]:
        domain = self._domain(row)
        prompt = (Message("user", row.member("prompt").text()),)
        chosen, rejected = (_styles(row.member(side)) for side in ("chosen", "rejected"))
        # The authors' ids are unique in their domain at best.
        name = ids.of(f"{self.card.name}/{domain}/{_id(row.member('id'))}")
        for i, j in itertools.product(range(len(STYLES)), repeat=2):
            written = [(chosen[i], None), (rejected[j], None)]
            responses, labels = blind(f"{name}/{i}-{j}", written, [Label("gold", (1.0, 0.0))])
            yield Item(
                id=f"{name}/{i}-{j}",
                task=self.card.name,
                domain=DOMAINS[domain],
                prompt=prompt,
                responses=responses,
                labels=labels,
                subset=domain,
                meta={"chosen_style": i, "rejected_style": j},
            )

    def _domain(self, row: Node) -> str:
        """The authors' files of one domain have its name, and no column."""
        file = self.local.name if self.local else ""
        if row.member_or_none("domain").value is None and file.endswith(ONE_DOMAIN):
            return Node(file.removesuffix(ONE_DOMAIN), str(self.local), "name").choice(DOMAINS)
        return row.member("domain").choice(DOMAINS)


def make(spec: Spec) -> Task:
    """RM-Bench: 1,327 prompts x 9 pairs of styles, gold answers."""
    return RMBench(CARD, SOURCE, spec)


def _styles(texts: Node) -> list[str]:
    found = [text.text() for text in texts.list()]
    if len(found) != len(STYLES):
        raise texts.error(f"{len(STYLES)} texts, one in each style,")
    return found


def _id(node: Node) -> str:
    """A number in the files that were seen; text is taken as it is."""
    return node.text() if isinstance(node.value, str) else str(node.whole())
