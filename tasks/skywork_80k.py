"""Skywork Reward Preference 80K v0.2: chosen and rejected conversations from several public sets,
a source of training pairs.

Liu et al., 2024, https://arxiv.org/abs/2410.18451.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bench.spec import Spec
from bench.types import Item, Label, Message, Split, Task, TaskCard
from tasks.blind import blind
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.left_out import told
from tasks.messages import messages
from tasks.rows import Node

TWO_PROMPTS = "two sides with different prompts"
DOMAIN_OF_SOURCE = {"wildguard": "safety"}
OTHER_DOMAIN = "chat"
SOURCE = HubSource("Skywork/Skywork-Reward-Preference-80K-v0.2", files=("data/*",))
CARD = TaskCard(
    name="skywork_80k",
    title="Skywork Reward Preference 80K v0.2",
    domains=(OTHER_DOMAIN, *DOMAIN_OF_SOURCE.values()),
    labels="chosen against rejected as published: human in the HelpSteer2 part, mostly made by "
    "models in the others",
    licence="none given for the whole; that of each source set",
    revision="",
    url=None,
    citation="Liu et al., Skywork-Reward: Bag of Tricks for Reward Modeling in LLMs, 2024, "
    "arXiv:2410.18451",
    pairs="one item a row: the last messages of both sides, in a fixed pseudo-random order, and as "
    "the prompt everything before",
    training_source=True,
    traps=(
        "Version 0.1, before this one, held 4,957 pairs whose prompts are those of RewardBench.",
        "Made from HelpSteer2, OffsetBias, WildGuard and four Magpie sets: what was trained on one "
        "of these was trained on this, and the other way round.",
        "Most pairs were picked by the scores of other reward models: those that such models find "
        "easy.",
        "Rows whose two sides do not share the prompt are left out and counted.",
        "The source wildguard counts as safety, every other as chat although mathematics and code "
        "are among them; the subset is the source's name.",
    ),
)


class Skywork80K(HubTask):
    """The pairs in the authors' order."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split, read as they are asked for. Raises what `HubTask.rows`
        raises, and for messages that are none."""
        left_out: Counter[str] = Counter()
        for number, row in enumerate(self.rows("chosen", "rejected", "source")):
            item = self._item(number, row)
            if item is None:
                left_out[TWO_PROMPTS] += 1
            elif split in (None, item.split):
                yield item
        self.card = told(self.card, CARD.traps, left_out)

    def _item(self, number: int, row: Node) -> Item | None:
        prompt, chosen = _sides(row.member("chosen"))
        other, rejected = _sides(row.member("rejected"))
        if prompt != other:
            return None
        item_id = f"skywork_80k/{number}"
        written = ((chosen, None), (rejected, None))
        responses, labels = blind(item_id, written, (Label("published", (1.0, 0.0)),))
        source = row.member("source").text()
        return Item(
            id=item_id,
            task=self.card.name,
            domain=DOMAIN_OF_SOURCE.get(source.casefold(), OTHER_DOMAIN),
            prompt=prompt,
            responses=responses,
            labels=labels,
            subset=source,
        )


def make(spec: Spec) -> Task:
    """Skywork Reward Preference 80K v0.2: 77,016 chosen-rejected pairs to train on."""
    return Skywork80K(CARD, SOURCE, spec)


def _sides(conversation: Node) -> tuple[tuple[Message, ...], str]:
    """The prompt and the answer of a conversation."""
    *prompt, answer = messages(conversation)
    if not prompt or answer.role != "assistant":
        raise conversation.error("a prompt and then an assistant's message")
    return tuple(prompt), answer.content
