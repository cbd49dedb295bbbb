"""Arena human preference 140k: votes of the visitors of LMArena on two models' answers, 2025.

Chiang et al., 2024, https://arxiv.org/abs/2403.04132.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bench.spec import Spec
from bench.types import Item, Label, Response, Split, Task, TaskCard
from tasks.conversation import Turn, answer, flaw, prompt
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.left_out import told
from tasks.rows import Node
from tasks.votes import VOTER, both_bad, preference

SOURCE = HubSource(
    "lmarena-ai/arena-human-preference-140k",
    files=("data/train-*",),
    revision="6322995ab34d7c2693e3f47dd13fa5caa0789a74",
)
COLUMNS = (
    *("id", "model_a", "model_b", "winner", "evaluation_session_id", "evaluation_order"),
    *("conversation_a", "conversation_b", "category_tag", "language", "is_code"),
)
TAGS = {
    "math": ("math_v0.1", "math"),
    "creative-writing": ("creative_writing_v0.1", "creative_writing"),
    "instruction-following": ("if_v0.1", "if"),
}
"""Domain -> its tag in `category_tag`. An item has the first that is true; code comes before."""

CARD = TaskCard(
    name="arena_140k",
    title="Arena human preference 140k",
    domains=("code", *TAGS, "chat"),
    labels="one visitor's vote an item; ties are of two kinds, of which 'both are bad' is marked "
    "in the item's meta (both_bad)",
    licence="prompts CC-BY-4.0, answers under the terms of the models' providers",
    revision="",
    citation="Chiang et al., Chatbot Arena: An Open Platform for Evaluating LLMs by Human "
    "Preference, 2024, arXiv:2403.04132",
    pairs="as voted on. In a conversation of several turns the prompt is the user's messages, and "
    "a side's answers are one text, each under a line that says which message it answers",
    clusters="the visitor's session",
    traps=(
        "One anonymous vote an item: nothing is known of how far people agree.",
        "Domains follow the set's automatic tags, in the order code, math, creative writing, "
        "instruction following; what has none of them is chat. Subsets are languages ('<err>': "
        "not recognised).",
        "After a vote the session goes on with new models. Such a vote (evaluation_order above 1) "
        "has its own part of the conversation only; what its visitor had read before is not shown, "
        "and its prompt opens with its own first message, so that the parts of one session can "
        "fall into different splits.",
        "Visitors vote on style too: length and markdown win votes.",
        "PPE's human preference set is drawn from the same arena: never learn from one and test "
        "on the other.",
        "Rows that show an image are left out, and so are those in which a user message has no "
        "text, or whose two sides are not answers to the same messages: how many is told here once "
        "the set has been read.",
    ),
)


class Arena140k(HubTask):
    """The votes in the order of the original."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split, each made when it is asked for. Once all are read, the
        card says what was left out. Raises BenchError where a row is not what it should be."""
        left_out: Counter[str] = Counter()
        for row in self.rows(*COLUMNS):
            a, b = (row.member(f"conversation_{side}") for side in "ab")
            if _shows_image(a) or _shows_image(b):
                left_out["showing an image"] += 1
                continue
            sides = _turns(a), _turns(b)
            reason = flaw(*sides) or _silence(sides[0])
            if reason:
                left_out[reason] += 1
                continue
            item = _item(row, *sides)
            if split in (None, item.split):
                yield item
        self.card = told(self.card, CARD.traps, left_out)


def make(spec: Spec) -> Task:
    """LMArena 2025: about 136,000 votes on two models' answers, one visitor each

    ``arena_140k``, with revision=COMMIT, or ``arena_140k:PATH`` for a local copy.
    """
    return Arena140k(CARD, SOURCE, spec)


def _shows_image(conversation: Node) -> bool:
    return any(
        block.member("type").value == "image" or block.member_or_none("image").value
        for message in conversation.list()
        for block in message.member("content").list()
    )


def _turns(conversation: Node) -> list[Turn]:
    """Role and text of every message; one without a block has an empty text."""
    turns = []
    for message in conversation.list():
        blocks = message.member("content").list()
        for block in blocks:
            block.member("type").choice(["text"])
        text = "\n\n".join(block.member("text").text() for block in blocks)
        turns.append((message.member("role").text(), text))
    return turns


def _silence(conversation: list[Turn]) -> str | None:
    silent = any(not text.strip() for _, text in conversation[::2])
    return "a user message without text" if silent else None


def _domain(row: Node) -> str:
    if row.member("is_code").value is not None and row.member("is_code").boolean():
        return "code"
    for domain, (group, tag) in TAGS.items():
        if _tagged(row.member("category_tag"), group, tag):
            return domain
    return "chat"


def _tagged(tags: Node, group: str, tag: str) -> bool:
    """Whether the tag is set; any part of the way to it may be missing."""
    for name in (group, tag):
        if tags.value is None:
            return False
        tags = tags.member_or_none(name)
    return tags.value is not None and tags.boolean()


def _item(row: Node, a: list[Turn], b: list[Turn]) -> Item:
    winner = row.member("winner")
    return Item(
        id=f"{CARD.name}/{row.member('id').text(empty=False)}",
        task=CARD.name,
        domain=_domain(row),
        prompt=prompt(a),
        responses=(
            Response("a", answer(a), row.member("model_a").text()),
            Response("b", answer(b), row.member("model_b").text()),
        ),
        labels=(Label(VOTER, preference(winner)),),
        subset=row.member("language").text_or_none(),
        cluster=f"session/{row.member('evaluation_session_id').text(empty=False)}",
        meta={
            "evaluation_order": row.member("evaluation_order").whole(),
            "both_bad": both_bad(winner),
        },
    )
