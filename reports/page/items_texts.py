"""The items as their pages show them: texts as they are, labels, and what every judge said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from bench.ledger import Ledger
from bench.outcome import top_set
from bench.printable import printable
from bench.types import Item, Label
from reports.page.items_marks import Marks
from reports.page.items_passages import passage
from reports.page.items_showings import best_words, by_item, numbers


class Opinion(NamedTuple):
    """A judge on an item: its sign and sentence, and table rows of its showings."""

    judge: str
    null: bool
    sign: str
    sentence: str
    rows: Markup


class Answer(NamedTuple):
    """A response. `best`: how many labels have it on top."""

    id: str
    model: str | None
    best: int
    text: Markup


class Entry(NamedTuple):
    """An item on its page. `number`: from 1. `labels`, `retests`: (annotator, best response,
    utilities). `prompt`: (role, text)."""

    number: int
    item: Item
    start: str
    prompt: list[tuple[str, Markup]]
    responses: list[Answer]
    labels: list[tuple[str, str, str]]
    retests: list[tuple[str, str, str]]
    reference: Markup | None
    opinions: list[Opinion]


def entries(ledger: Ledger, items: Sequence[Item], marks: Sequence[Marks]) -> Iterator[Entry]:
    """The items in ledger order, made one by one."""
    for n, (item, said) in enumerate(zip(items, by_item(ledger, len(items)), strict=True)):
        tops = [top_set(label.utilities) for label in item.labels]
        yield Entry(
            n + 1,
            item,
            start(item),
            [(message.role, passage(message.content)) for message in item.prompt],
            [
                Answer(r.id, r.model, sum(top >> i & 1 for top in tops), passage(r.text))
                for i, r in enumerate(item.responses)
            ],
            [_label(label) for label in item.labels],
            [_label(label) for label in item.retests],
            None if item.reference is None else passage(item.reference),
            [
                Opinion(marks[j].card.name, marks[j].null, *marks[j].about(n), rows)
                for j, rows in said
            ],
        )


def start(item: Item, length: int = 80) -> str:
    """The first words of what the user asked, in one line."""
    asked = next((m.content for m in item.prompt if m.role == "user"), item.prompt[0].content)
    words = " ".join(asked[: 4 * length].split())
    return printable(words if len(words) <= length else words[: length - 1] + "…")


def label_words(item: Item) -> str:
    """What the labels have on top: "0", "tie", or "0 ×2, 1 ×1" where annotators differ."""
    said = [best_words(label.utilities).removeprefix("response ") for label in item.labels]
    if len(set(said)) <= 1:
        return "".join(said[:1])
    return ", ".join(f"{what} ×{said.count(what)}" for what in sorted(set(said)))


def _label(label: Label) -> tuple[str, str, str]:
    return label.annotator, best_words(label.utilities), numbers(label.utilities)
