"""Arena human preference 55k: votes of the visitors of Chatbot Arena on two models' answers, as
given out for a competition in 2024.

Chiang et al., 2024, https://arxiv.org/abs/2403.04132.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from bench.spec import Spec
from bench.types import BenchError, Item, Label, Response, Split, Task, TaskCard
from tasks.conversation import Turn, answer, prompt
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.left_out import told
from tasks.rows import Node
from tasks.votes import VOTER

SOURCE = HubSource(
    "lmarena-ai/arena-human-preference-55k",
    files=("train.csv",),
    builder="csv",
    revision="18c298340948c0e7f7727399fd459cca6ce0ca6f",
)
TEXTS = ("prompt", "response_a", "response_b")
WINNERS = {
    "winner_model_a": (1.0, 0.0),
    "winner_model_b": (0.0, 1.0),
    "winner_tie": (0.0, 0.0),
}
CARD = TaskCard(
    name="arena_55k",
    title="Arena human preference 55k",
    domains=("chat",),
    labels="one visitor's vote an item, ties allowed",
    licence="Apache-2.0",
    revision="",
    citation="Chiang et al., Chatbot Arena: An Open Platform for Evaluating LLMs by Human "
    "Preference, 2024, arXiv:2403.04132",
    pairs="as voted on. In a conversation of several turns the prompt is the user's messages, and "
    "a side's answers are one text, each under a line that says which message it answers",
    traps=(
        "One anonymous vote an item: nothing is known of how far people agree.",
        "Ties and 'both are bad' are one column and cannot be told apart.",
        "Conversations are not tagged: all stand under chat, whatever they are about.",
        "The original's texts are lists of turns written as JSON. An answer that is null there is "
        "empty here; some texts hold half of a surrogate pair, which is kept.",
        "PPE's human preference set is drawn from the same arena: never learn from one and test "
        "on the other.",
        "Rows with a user message that is null, or without an answer to every message on both "
        "sides, are left out: how many is told here once the set has been read.",
    ),
)


class Arena55k(HubTask):
    """The votes in the order of the original."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split, each made when it is asked for. Once all are read, the
        card says what was left out. Raises BenchError where a row is not what it should be."""
        left_out: Counter[str] = Counter()
        for row in self.rows("id", "model_a", "model_b", *TEXTS, *WINNERS):
            messages, a, b = (_texts(row.member(name)) for name in TEXTS)
            reason = _flaw(messages, a, b)
            if reason:
                left_out[reason] += 1
                continue
            item = _item(row, _turns(messages, a), _turns(messages, b))
            if split in (None, item.split):
                yield item
        self.card = told(self.card, CARD.traps, left_out)


def make(spec: Spec) -> Task:
    """Chatbot Arena 2024: about 57,000 votes on two models' answers, one visitor each

    ``arena_55k``, with revision=COMMIT, or ``arena_55k:PATH`` for a local copy.
    """
    return Arena55k(CARD, SOURCE, spec)


def _texts(cell: Node) -> list[str | None]:
    """The turns in a cell. Raises BenchError when it is no JSON list of texts and nulls."""
    expected = "a JSON list of texts, one a turn"
    try:
        turns = json.loads(cell.text())
    except (ValueError, RecursionError):
        raise cell.error(expected) from None
    if not isinstance(turns, list) or not all(isinstance(turn, str | None) for turn in turns):
        raise cell.error(expected)
    return turns


def _flaw(messages: list[str | None], a: list[str | None], b: list[str | None]) -> str | None:
    if not messages or None in messages:
        return "a user message that is null"
    if not len(messages) == len(a) == len(b):
        return "not an answer to every message"
    return None


def _turns(messages: list[str | None], answers: list[str | None]) -> list[Turn]:
    turns: list[Turn] = []
    for message, reply in zip(messages, answers, strict=True):
        turns += [("user", message or ""), ("assistant", reply or "")]
    return turns


def _label(row: Node) -> Label:
    marks = {name: row.member(name).whole() for name in WINNERS}
    if sorted(marks.values()) != [0, 0, 1]:
        found = ", ".join(f"{name} {mark}" for name, mark in marks.items())
        raise BenchError(f"{row.place}: {found} found; one of them 1 and the others 0 expected")
    (winner,) = (name for name, mark in marks.items() if mark)
    return Label(VOTER, WINNERS[winner])


def _item(row: Node, a: list[Turn], b: list[Turn]) -> Item:
    return Item(
        id=f"{CARD.name}/{row.member('id').whole()}",
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=prompt(a),
        responses=(
            Response("a", answer(a), row.member("model_a").text()),
            Response("b", answer(b), row.member("model_b").text()),
        ),
        labels=(_label(row),),
    )
