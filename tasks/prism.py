"""PRISM: conversations of 1,396 people with 21 models, who scored every reply from 1 to 100.

Kirk et al., 2024, https://arxiv.org/abs/2404.16019.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.left_out import told
from tasks.rows import Node

SUBSETS = ("unguided", "values guided", "controversy guided")
ONE_TEXT = "turns with a single text"
NO_HISTORY = "turns after something that is not known"
COLUMNS = (
    "utterance_id",
    "interaction_id",
    "conversation_id",
    "user_id",
    "turn",
    "within_turn_id",
    "included_in_balanced_subset",
    "conversation_type",
    "user_prompt",
    "model_response",
    "model_name",
    "score",
    "if_chosen",
)
SOURCE = HubSource(
    "HannahRoseKirk/prism-alignment",
    files=("utterances.jsonl",),
    builder="json",
    revision="18ab5cfb37456f4ec8cbc00212ce54cf7b1239f6",
)
CARD = TaskCard(
    name="prism",
    title="PRISM Alignment",
    domains=("chat",),
    labels="the one person who had the conversation; strength is the difference of the scores that "
    "this person gave (1 terrible to 100 perfect)",
    licence="CC-BY-4.0 (what people wrote), CC-BY-NC-4.0 (replies of models)",
    revision="",
    url=None,
    citation="Kirk et al., The PRISM Alignment Dataset: What Participatory, Representative and "
    "Individualised Human Feedback Reveals About the Subjective and Multicultural Alignment of "
    "Large Language Models, 2024, arXiv:2404.16019",
    pairs="the replies of one turn of a conversation are one item, 2 to 4 of them. First turns: "
    "replies of different models. Later turns: two samples of the model chosen first, after the "
    "conversation so far with the replies that the person chose",
    clusters="the person",
    traps=(
        "The scale is each person's own: scores order the replies of one turn, and are not "
        "comparable between persons.",
        "One person a conversation: there is no human ceiling.",
        "Turns whose replies are all one text are left out and counted, as are turns after one "
        "whose chosen reply is not known. Equal texts among others stay, with their own scores.",
        "Scores come from a slider: replies a point or two apart are hardly a preference.",
        "Three conversations in five are about values or controversies that people chose. The text "
        "is unfiltered and may say who somebody is; nobody may try to find out.",
    ),
)


class Prism(HubTask):
    """One item a turn, conversations in the order of their first reply in the file."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split. Raises what `HubTask.rows` raises, and for a value
        that the set's description does not know. The whole set is in memory while it is read: its
        rows need not be sorted, and a turn needs the turns before it."""
        left_out: Counter[str] = Counter()
        for turns in self._conversations().values():
            for item in self._turns(turns, left_out):
                if split in (None, item.split):
                    yield item
        self.card = told(self.card, CARD.traps, left_out)

    def _conversations(self) -> dict[str, dict[int, list[Node]]]:
        """Conversation -> turn -> replies."""
        conversations: dict[str, dict[int, list[Node]]] = {}
        for row in self.rows(*COLUMNS):
            turns = conversations.setdefault(row.member("conversation_id").text(empty=False), {})
            turns.setdefault(row.member("turn").whole(), []).append(row)
        return conversations

    def _turns(self, turns: Mapping[int, list[Node]], left_out: Counter[str]) -> Iterator[Item]:
        history: tuple[Message, ...] | None = ()
        for place, turn in enumerate(sorted(turns)):
            replies = sorted(turns[turn], key=lambda row: row.member("within_turn_id").whole())
            asked = Message("user", _same(replies, "user_prompt"))
            if turn != place:
                history = None
            if history is None:
                left_out[NO_HISTORY] += 1
                continue
            if len({row.member("model_response").text() for row in replies}) > 1:
                yield self._item((*history, asked), replies)
            else:
                left_out[ONE_TEXT] += 1
            chosen = {
                row.member("model_response").text()
                for row in replies
                if row.member("if_chosen").boolean()
            }
            # Two equal replies can both be marked as chosen: they are one continuation.
            history = (
                (*history, asked, Message("assistant", chosen.pop())) if len(chosen) == 1 else None
            )

    def _item(self, prompt: tuple[Message, ...], replies: Sequence[Node]) -> Item:
        first = replies[0]
        user = _same(replies, "user_id")
        return Item(
            id=f"prism/{_same(replies, 'interaction_id')}",
            task=self.card.name,
            domain="chat",
            prompt=prompt,
            responses=tuple(
                Response(
                    row.member("utterance_id").text(empty=False),
                    row.member("model_response").text(),
                    row.member("model_name").text_or_none(),
                )
                for row in replies
            ),
            labels=(Label(user, tuple(row.member("score").number() for row in replies)),),
            subset=first.member("conversation_type").choice(SUBSETS),
            cluster=f"person/{user}",
            meta={
                "conversation": first.member("conversation_id").value,
                "turn": first.member("turn").whole(),
                "chosen": [row.member("if_chosen").boolean() for row in replies],
                "balanced": first.member("included_in_balanced_subset").value,
            },
        )


def make(spec: Spec) -> Task:
    """PRISM: 27,000 lists of 2 to 4 replies, each scored 1 to 100 by a person known by id."""
    return Prism(CARD, SOURCE, spec)


def _same(replies: Sequence[Node], name: str) -> str:
    """A text that all replies of a turn have in common."""
    first, *others = (row.member(name) for row in replies)
    for other in others:
        if other.value != first.value:
            raise other.error(f"{first.value!r}, as in the other replies of this turn,")
    return first.text()
