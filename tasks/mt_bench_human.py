"""MT-Bench human judgments: two models' answers to 80 two-turn questions, judged by experts and by
the authors, and GPT-4's verdicts on the same pairs.

Zheng et al., 2023, https://arxiv.org/abs/2306.05685.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.spec import Spec
from bench.types import BenchError, Item, Label, Message, Response, Split, Task, TaskCard
from tasks.conversation import Turn, answer, flaw, prompt
from tasks.hub import HubTask, read
from tasks.hub_files import HubSource, bring
from tasks.rows import Node
from tasks.votes import preference

SOURCE = HubSource(
    "lmsys/mt_bench_human_judgments",
    split="human",
    files=("data/*.parquet",),
    revision="f7d2896d2cc5d80f8b55c2bbc722613555233c25",
)
RECORDED = "gpt4_pair"
COLUMNS = ("question_id", "model_a", "model_b", "winner", "judge", "turn")
CONVERSATIONS = ("conversation_a", "conversation_b")
FIRST_QUESTION, PER_CATEGORY = 81, 10
CATEGORIES = {
    "writing": "creative-writing",
    "roleplay": "chat",
    "reasoning": "reasoning",
    "math": "math",
    "coding": "code",
    "extraction": "instruction-following",
    "stem": "knowledge",
    "humanities": "knowledge",
}
"""The authors' categories, ten questions each in this order, and our domain for each."""

CARD = TaskCard(
    name="mt_bench_human",
    title="MT-Bench human judgments",
    domains=tuple(dict.fromkeys(CATEGORIES.values())),
    labels="every vote, ties allowed: experts (expert_N) and the authors (author_N), who are "
    "persons; one to several a pair. A person's second vote on an item is a retest",
    licence="CC-BY-4.0",
    revision="",
    citation="Zheng et al., Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena, 2023, "
    "arXiv:2306.05685",
    pairs="one item a question, pair of models (in the order of their names) and turn. Turn 1: the "
    "first message and its answer. Turn 2: both messages, and a side's two answers as one text, "
    "each under a line that says which message it answers",
    clusters="the question: both turns and all pairs of models of one question",
    traps=(
        "All items share 80 questions and six models.",
        "People who judged turn 2 were asked about the second answer, given the first; a judge "
        "that is not told so judges both together.",
        "The authors report experts and themselves apart; a score over all labels mixes them. The "
        "setups S1 and S2 stand in the table of official scores, per turn and kind of annotator.",
        "The same pair stands in the original in both orders of the two models.",
        "GPT-4's recorded verdict is one a pair, made of both orders: where these disagreed it is "
        "a tie, and what either order said is not published. It is recorded as one showing, so "
        "nothing can be said of its position bias; its words are kept in the verdict's raw text.",
        "GPT-4 judged all 15 pairs of models on all questions; what no human judged is no item.",
        "The questions are public since 2023 and stand in several other sets.",
        "Reference answers exist for some questions, elsewhere; they are not in this set.",
    ),
)

Key = tuple[int, str, str, int]
"""Question, the two models in the order of their names, turn."""


@dataclass
class _Judged:
    """What is known of an item so far."""

    messages: tuple[Message, ...]
    texts: tuple[str, str]
    labels: list[Label] = field(default_factory=list)
    retests: list[Label] = field(default_factory=list)


class MTBenchHuman(HubTask):
    """Items in the order in which their first vote stands in the original."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split. Raises BenchError where a row is not what it should
        be, with its place and what was found."""
        found: dict[Key, _Judged] = {}
        for row in self.rows(*COLUMNS, *CONVERSATIONS):
            key, turned = _key(row)
            judged = _conversation(row, key, turned)
            known = found.setdefault(key, judged)
            if (known.messages, known.texts) != (judged.messages, judged.texts):
                raise BenchError(
                    f"{row.place}: question {key[0]}, {key[1]} against {key[2]}, turn {key[3]} has "
                    "other texts than in an earlier row; the same ones expected"
                )
            label = Label(_person(row), _utilities(row, turned))
            again = any(label.annotator == other.annotator for other in known.labels)
            (known.retests if again else known.labels).append(label)
        for key, judged in found.items():
            item = _item(key, judged)
            if split in (None, item.split):
                yield item

    def recorded(self, source: str) -> Iterator[Mapping[str, Any]]:
        """GPT-4's verdicts (`source`: gpt4_pair), one a pair and turn: of both orders together."""
        if source != RECORDED:
            raise BenchError(
                f"task {CARD.name} has no recorded judge {source!r}. There are: {RECORDED}."
            )
        seen: set[Key] = set()
        for row in self._recorded_rows():
            key, turned = _key(row)
            if key in seen:
                raise BenchError(f"{row.place}: {_id(key)} is judged twice; once expected")
            seen.add(key)
            a, b = _utilities(row, turned)
            names = [row.member(name).text() for name in ("model_a", "model_b", "winner")]
            yield {
                "item_id": _id(key),
                "order": "ab",
                "winner": "tie" if a == b else int(b > a),
                "raw": "model_a {}, model_b {}: {}".format(*names),
                "source": f"{CARD.name}/{RECORDED}",
            }

    def _recorded_rows(self) -> Iterator[Node]:
        """The rows of the other split, of the same revision or local copy."""
        source = replace(self.source, split=RECORDED)
        if self.local is not None and self.local.is_file():
            raise BenchError(
                f"{self.local} is one file, with the human votes; a folder with the split "
                f"{RECORDED} beside them expected"
            )
        yield from read(self.local or bring(source)[0], source, COLUMNS)


def make(spec: Spec) -> Task:
    """MT-Bench: two models on 80 two-turn questions, judged by experts and authors

    ``mt_bench_human``, with revision=COMMIT, or ``mt_bench_human:PATH`` for a local copy.
    """
    return MTBenchHuman(CARD, SOURCE, spec)


def _key(row: Node) -> tuple[Key, bool]:
    """The item of a row, and whether the row has its two models the other way round."""
    a, b = (row.member(name).text(empty=False) for name in ("model_a", "model_b"))
    if a == b:
        raise row.member("model_b").error("another model than model_a")
    turn, question = row.member("turn"), row.member("question_id")
    if turn.whole() not in (1, 2):
        raise turn.error("turn 1 or 2")
    last = FIRST_QUESTION + PER_CATEGORY * len(CATEGORIES) - 1
    if not FIRST_QUESTION <= question.whole() <= last:
        raise question.error(f"a question of MT-Bench ({FIRST_QUESTION} to {last})")
    return (question.whole(), min(a, b), max(a, b), turn.whole()), a > b


def _conversation(row: Node, key: Key, turned: bool) -> _Judged:
    """The part of a row's conversations that its vote is about: the original has them whole."""
    messages = 2 * key[3]
    sides = [_turns(row.member(name))[:messages] for name in CONVERSATIONS]
    found = flaw(*sides) or (f"{len(sides[0])} messages" if len(sides[0]) < messages else None)
    if found:
        raise BenchError(
            f"{row.place}: {found} found, {messages} messages from user to assistant and the same "
            "user messages on both sides expected"
        )
    first, second = reversed(sides) if turned else sides
    return _Judged(prompt(first), (answer(first), answer(second)))


def _turns(conversation: Node) -> list[Turn]:
    return [(m.member("role").text(), m.member("content").text()) for m in conversation.list()]


def _person(row: Node) -> str:
    judge = row.member("judge")
    if not judge.text().startswith(("expert_", "author_")):
        raise judge.error("expert_N or author_N")
    return judge.text()


def _utilities(row: Node, turned: bool) -> tuple[float, float]:
    a, b = preference(row.member("winner"))
    return (b, a) if turned else (a, b)


def _id(key: Key) -> str:
    question, first, second, turn = key
    return f"{CARD.name}/{question}/{first}/{second}/{turn}"


def _item(key: Key, judged: _Judged) -> Item:
    question, first, second, turn = key
    category = list(CATEGORIES)[(question - FIRST_QUESTION) // PER_CATEGORY]
    return Item(
        id=_id(key),
        task=CARD.name,
        domain=CATEGORIES[category],
        prompt=judged.messages,
        responses=(Response("a", judged.texts[0], first), Response("b", judged.texts[1], second)),
        labels=tuple(judged.labels),
        subset=category,
        retests=tuple(judged.retests),
        meta={"turn": turn},
    )
