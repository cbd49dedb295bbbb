"""Items on which a judge failed, as they were: the texts, the labels and its replies."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.ledger import Ledger
from bench.outcome import top_set
from bench.printable import printable
from bench.types import Item
from reports.numbers import number
from reports.readings import FAILURES, LOST, STATUSES, Floats, Ints, Readings
from reports.short.short import counted
from reports.study import Study

MOST = 3
LONGEST = 300  # characters of a text
RESPONSES = 4  # of a long list, and showings of it
WIDTH = 96
_NO_VERDICT = [STATUSES.index(status) for status in FAILURES if status not in LOST]


@dataclass(frozen=True)
class Mode:
    """A way to fail. `items`: indices, those to be shown first in front. `note`: of these."""

    name: str
    items: Ints
    note: str = ""


@dataclass(frozen=True)
class Example:
    """`what`: what went wrong. `item`: where. `text`: lines of at most WIDTH characters, printable,
    each text cut to LONGEST."""

    what: str
    item: Item
    text: str


def modes(study: Study, judge: str) -> list[Mode]:
    """No verdict; wrong in every showing, the highest confidence in front (or, where the judge
    states none, the most votes against it); flips, where it was shown both orders. Among equals the
    shortest texts, which can be read whole."""
    reading = study.readings[judge]
    size = np.array([_size(item) for item in study.table.items])
    failed = np.flatnonzero(reading.statuses[:, _NO_VERDICT].any(axis=1))
    wrong = np.setdiff1d(np.flatnonzero(study.scores[judge] == 0), failed)
    item, first, swapped = reading.in_slots()
    flipped = np.unique(item[~np.isnan(first) & ~np.isnan(swapped) & (first != -swapped)])
    order_free = next(card.order_free for card in study.cards if card.name == judge)
    sure = _confidence(reading)
    known = bool(sure[wrong].any())
    grave = sure if known else np.bincount(study.table.vote_item, minlength=len(size))
    made = [
        Mode("no verdict", failed[np.argsort(size[failed], kind="stable")]),
        Mode(
            "wrong in every showing",
            wrong[np.lexsort((size[wrong], -grave[wrong]))],
            ", its highest confidence" if known else "",
        ),
    ]
    if item.size and not order_free:
        by_size = flipped[np.argsort(size[flipped], kind="stable")]
        made.append(Mode("the order changed its verdict", by_size))
    return made


def examples(ledger: Ledger, study: Study, judge: str, failing: Sequence[Mode]) -> list[Example]:
    """At most three: one of each of these modes, then more of the same."""
    chosen: dict[int, str] = {}
    for mode in (*failing, *(mode for mode in failing[::-1] for _ in range(MOST))):
        fresh = next((i for i in mode.items.tolist() if i not in chosen), None)
        if len(chosen) < MOST and fresh is not None:
            chosen[fresh] = mode.name + mode.note
    replies = _replies(ledger, study, judge, set(chosen))
    items = study.table.items
    return [Example(what, items[i], _text(items[i], replies[i])) for i, what in chosen.items()]


def _size(item: Item) -> int:
    return sum(len(m.content) for m in item.prompt) + sum(len(r.text) for r in item.responses)


def _confidence(reading: Readings) -> Floats:
    """(items,) highest confidence that the judge stated, 0 where it stated none."""
    sure = np.zeros(len(reading.table.items))
    for block in reading.blocks:
        np.maximum.at(sure, block.item, np.nan_to_num(block.confidence).max(axis=1))
    return sure


Reply = tuple[str, str]
"""What was shown and what came back, and the raw text."""


def _replies(ledger: Ledger, study: Study, judge: str, wanted: set[int]) -> dict[int, list[Reply]]:
    """Of the items wanted, in the order of the plan."""
    index = [card.name for card in study.cards].index(judge)
    found: dict[int, list[Reply]] = {item: [] for item in wanted}
    for item, who, shown, _, status, utilities, sure, _, raw, note, *_ in ledger.replies():
        if item > max(wanted, default=-1):
            break
        if who == index and item in wanted:
            said = f"shown {shown.replace(',', ', ')}; {_said(status, utilities)}"
            said += "" if sure is None else f", {number(sure)} sure"
            found[item].append((said, raw or note))
    return found


def _said(status: str, utilities: str | None) -> str:
    """ "verdict response 1", "value 3.5" of a response that was shown alone, or the status."""
    if utilities is None:
        return status.replace("_", " ")
    values = json.loads(utilities)
    return f"value {values[0]:.3g}" if len(values) == 1 else f"verdict {_best(values)}"


def _best(utilities: Sequence[float]) -> str:
    top = top_set(utilities)
    if top == (1 << len(utilities)) - 1:
        return "a tie"
    return "response " + " and ".join(str(i) for i in range(len(utilities)) if top >> i & 1)


def _text(item: Item, replies: Sequence[Reply]) -> str:
    labels = Counter(_best(label.utilities) for label in item.labels)
    votes = ", ".join(f"{best} ({n:,} of {labels.total():,})" for best, n in labels.items())
    lines = [
        *((message.role, message.content) for message in item.prompt),
        *((f"response {i}", r.text) for i, r in enumerate(item.responses[:RESPONSES])),
        ("labels", votes or "none"),
        *replies[:RESPONSES],
    ]
    told = [_line(name, text) for name, text in lines]
    more = len(item.responses) - RESPONSES
    return "\n".join([*told, *([f"and {counted(more, 'response')} more"] if more > 0 else [])])


def _line(name: str, text: str) -> str:
    """Line breaks are written out, so that no text can pass for another one."""
    shown = printable(text[:LONGEST])
    if len(text) > LONGEST:
        shown += f" … ({len(text):,} characters)"
    return textwrap.fill(
        f"{name}: {shown or '(nothing)'}", WIDTH, subsequent_indent="    ", break_on_hyphens=False
    )
