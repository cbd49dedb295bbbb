"""PPE human preference: votes of the visitors of Chatbot Arena, chosen to measure reward models.

Frick et al., 2024, https://arxiv.org/abs/2410.14872.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.left_out import told
from tasks.rows import Node
from tasks.votes import VOTER, both_bad, preference

SOURCE = HubSource("lmarena-ai/PPE-Human-Preference-V1", split="test", files=("data/test-*",))
TAGS = {"is_code": "code", "math_prompt": "math", "if_prompt": "instruction-following"}
"""Column -> domain; an item has that of the first that is true."""

COLUMNS = (
    *("question_id", "prompt", "response_1", "response_2", "model_a", "model_b"),
    *("winner", "language", "conv_metadata", *TAGS),
)
CARD = TaskCard(
    name="ppe_human",
    title="PPE human preference V1",
    domains=(*TAGS.values(), "chat"),
    labels="one visitor's vote an item; ties are of two kinds, of which 'both are bad' is marked "
    "in the item's meta (both_bad)",
    licence="prompts CC-BY-4.0, answers under the terms of the models' providers; for measuring, "
    "not for training",
    revision="",
    citation="Frick et al., How to Evaluate Reward Models for RLHF, 2024, arXiv:2410.14872",
    pairs="conversations of one turn as voted on; response_1 is model_a's and response_2 model_b's",
    traps=(
        "One anonymous vote an item: nothing is known of how far people agree.",
        "The authors' accuracy leaves ties out, and so do the tables here: an item without a "
        "deciding vote is counted and has no score.",
        "Domains follow the set's automatic tags, in the order code, math, instruction following; "
        "what has none of them is chat. Subsets are languages.",
        "A question_id can stand on several votes; a later one has its number in the item's id.",
        "Drawn from the same arena as arena_140k and arena_55k: never learn from those and test "
        "here.",
        "Conversations of several turns are left out, because the original has one prompt text "
        "for all turns: how many is told here once the set has been read.",
    ),
)


class PPEHuman(HubTask):
    """The votes in the order of the original."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split, each made when it is asked for. Once all are read, the
        card says what was left out. Raises BenchError where a row is not what it should be."""
        left_out: Counter[str] = Counter()
        votes: Counter[str] = Counter()
        for row in self.rows(*COLUMNS):
            question = row.member("question_id").text(empty=False)
            votes[question] += 1
            turns = row.member("conv_metadata").member("turns")
            if turns.whole() < 1:
                raise turns.error("one turn or more")
            if turns.whole() > 1:
                left_out["a conversation of several turns"] += 1
                continue
            item = _item(row, question, votes[question])
            if split in (None, item.split):
                yield item
        self.card = told(self.card, CARD.traps, left_out)


def make(spec: Spec) -> Task:
    """PPE: about 16,000 votes of Chatbot Arena, chosen to measure reward models

    ``ppe_human``, with revision=COMMIT, or ``ppe_human:PATH`` for a local copy.
    """
    return PPEHuman(CARD, SOURCE, spec)


def _item(row: Node, question: str, vote: int) -> Item:
    winner = row.member("winner")
    domains = (domain for column, domain in TAGS.items() if row.member(column).boolean())
    return Item(
        id=f"{CARD.name}/{question}" + (f"/{vote}" if vote > 1 else ""),
        task=CARD.name,
        domain=next(domains, "chat"),
        prompt=(Message("user", row.member("prompt").text()),),
        responses=(
            Response("1", row.member("response_1").text(), row.member("model_a").text()),
            Response("2", row.member("response_2").text(), row.member("model_b").text()),
        ),
        labels=(Label(VOTER, preference(winner)),),
        subset=row.member("language").text_or_none(),
        meta={"both_bad": both_bad(winner)},
    )
