"""The list of items: one row an item, as data in the page, of which a script shows a hundred at a
time. A list that would be too large for one page is split into parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.printable import printable
from bench.types import Item
from reports.page.items_marks import MARKS, Marks
from reports.page.items_texts import label_words, start

PART_BYTES = 4_800_000

Row = tuple[str, str, str, str, str]
"""Id, task, domain, label and first words of an item, printable."""


@dataclass(frozen=True)
class Part:
    """The items of one list page: `rows` from item index `first` on."""

    first: int
    rows: list[Row]

    @property
    def end(self) -> int:
        """Index after the last item."""
        return self.first + len(self.rows)


def parts(items: Sequence[Item], judges: int) -> list[Part]:
    """The items in parts of at most PART_BYTES of data each, and at least one part."""
    made = [Part(0, [])]
    size = 0
    for n, row in enumerate(map(_row, items)):
        # Three characters a judge; quotes, commas and two indices beside the texts.
        mine = 3 * judges + 30 + sum(len(text.encode()) for text in (row[0], *row[3:]))
        if size and size + mine > PART_BYTES:
            made.append(Part(n, []))
            size = 0
        made[-1].rows.append(row)
        size += mine
    return made


def _row(item: Item) -> Row:
    names = map(printable, (item.id, item.task, item.domain))
    return (*names, label_words(item), start(item))  # type: ignore[return-value]


def data(part: Part, marks: Sequence[Marks], per_page: int) -> Markup:
    """What the script of the list reads, as JSON that is safe inside <script>: texts by column,
    marks by judge."""
    ids, tasks, domains, labels, starts = zip(*part.rows, strict=True) if part.rows else [()] * 5
    here = slice(part.first, part.end)
    content = {
        "first": part.first,
        "perPage": per_page,
        "marks": MARKS,
        "ids": ids,
        "tasks": (task_names := names(tasks)),
        "task": _codes(tasks, task_names),
        "domains": (domain_names := names(domains)),
        "domain": _codes(domains, domain_names),
        "labels": labels,
        "starts": starts,
        "judges": [
            {
                "name": printable(m.card.name),
                "strong": not m.null,
                "mark": m.mark[here],
                "verdict": m.verdict[here],
                "failed": m.failed[here],
            }
            for m in marks
        ],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def names(values: Sequence[str]) -> list[str]:
    """The distinct values in their order of appearance."""
    return list(dict.fromkeys(values))


def _codes(values: Sequence[str], of: Sequence[str]) -> list[int]:
    code = {value: n for n, value in enumerate(of)}
    return [code[value] for value in values]
