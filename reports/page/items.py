"""The verdict browser: a list of the items to search, and pages of fifty items with all that was
asked, said and labelled. Plain files beside the report: they open from disk, ask nobody for
anything, and the pages of items need no script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from bench.ledger import Ledger
from bench.types import BenchError
from reports.page import items_list
from reports.page.document import document
from reports.page.items_list import Part
from reports.page.items_marks import MARKS, Marks, marks_of
from reports.page.items_texts import Entry, entries
from reports.readings import ItemTable
from reports.study import Study

PER_PAGE = 50
_OURS = re.compile(r"index(-\d+)?\.html|\d{4,}\.html")


def write_items(ledger: Ledger, study: Study, folder: Path) -> None:
    """Write `folder`/report/items: index.html, the list of items, and 0001.html and so on, their
    pages. Those of a former report are removed. `study`: of `ledger`. `folder`: of the run.

    Raises BenchError where the folder cannot be written or is a link to elsewhere.
    """
    table = study.table
    marks = [marks_of(card, study.readings[card.name]) for card in study.cards]
    parts = items_list.parts(table.items, len(marks))
    try:
        place = _emptied(folder / "report" / "items")
        stream = entries(ledger, table.items, marks)
        for first in range(0, len(table.items), PER_PAGE):
            page = _page(list(islice(stream, PER_PAGE)), first, len(table.items), parts)
            _write(place / page_name(first), page)
        for n in range(len(parts)):
            _write(place / _list_name(n), _list(n, parts, marks, table))
    except OSError as error:
        raise BenchError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}"
        ) from error


def page_name(item: int) -> str:
    """File of the page that an item is on, by its index."""
    return f"{item // PER_PAGE + 1:04d}.html"


def _list_name(part: int) -> str:
    return f"index-{part + 1}.html" if part else "index.html"


def _emptied(place: Path) -> Path:
    """The folder, without the pages of a former report; whatever else is there stays."""
    if place.is_symlink():
        raise BenchError(f"{place} is a link to elsewhere; a folder expected. Remove the link.")
    place.mkdir(parents=True, exist_ok=True)
    for old in place.iterdir():
        if _OURS.fullmatch(old.name) and (old.is_symlink() or old.is_file()):
            old.unlink()
    return place


def _write(path: Path, text: str) -> None:
    # "x": never through a link that somebody puts there meanwhile.
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _page(here: Sequence[Entry], first: int, n_items: int, parts: Sequence[Part]) -> str:
    last = first + len(here)
    return document(
        "items_page.html.j2",
        css=["items.css"],
        js=["items_page.js"],
        entries=here,
        first=first + 1,
        last=last,
        n_items=n_items,
        list_name=_list_name(next(n for n, part in enumerate(parts) if first < part.end)),
        previous=page_name(first - PER_PAGE) if first else None,
        next=page_name(last) if last < n_items else None,
    )


def _list(n: int, parts: Sequence[Part], marks: Sequence[Marks], table: ItemTable) -> str:
    part = parts[n]
    _, tasks, domains, _, _ = zip(*part.rows, strict=True) if part.rows else [()] * 5
    starts = range(part.first - part.first % PER_PAGE, part.end, PER_PAGE)
    return document(
        "items_list.html.j2",
        css=["items.css"],
        js=["items_list.js"],
        part=part,
        n_items=len(table.items),
        parts=[(_list_name(i), p.first + 1, p.end, i == n) for i, p in enumerate(parts)],
        pages=[(page_name(i), i + 1, min(i + PER_PAGE, len(table.items))) for i in starts],
        tasks=items_list.names(tasks),
        domains=items_list.names(domains),
        judges=[(m.card.name, m.null) for m in marks],
        signs=[(sign, words) for sign, words in MARKS.values() if sign],
        data=items_list.data(part, marks, PER_PAGE),
    )
