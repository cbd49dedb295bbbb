"""What came back from every trial of an item, as rows of a table. There may be a million: each row
is written here in one go rather than cell by cell in the template."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from markupsafe import Markup

from bench.ledger import Ledger
from bench.outcome import top_set
from reports.page.items_passages import passage

REPLY = 2_000
"""Characters shown of a judge's reply."""

Row = tuple[Any, ...]
"""A row of Ledger.replies."""


def by_item(ledger: Ledger, n: int) -> Iterator[list[tuple[int, Markup]]]:
    """For each of the n items (judge index, table rows of its showings) of the judges that were to
    see it. The showings of one item are held at a time."""
    groups = groupby(ledger.replies(), itemgetter(0))
    waiting = next(groups, None)
    for item in range(n):
        if waiting is None or waiting[0] != item:
            yield []
            continue
        yield [(judge, _rows(rows)) for judge, rows in groupby(waiting[1], itemgetter(1))]
        waiting = next(groups, None)


def _rows(rows: Iterable[Row]) -> Markup:
    """Texts of other people pass through `passage`, which escapes them; all else is made here."""
    made = (
        f"<tr>{_said(shown, repeat, status, utilities, cut)}"
        f"<td>{'' if confidence is None else f'{confidence:.3g}'}<td>{_usage(*usage)}"
        f'<td class="passage" dir="auto">{passage(raw, REPLY)}'
        + (f'<p class="note">{passage(note, REPLY)}</p></tr>' if note else "</tr>")
        for _, _, shown, repeat, status, utilities, confidence, cut, raw, note, *usage in rows
    )
    return Markup("\n".join(made))


@lru_cache(maxsize=4096)
def _said(shown: str, repeat: int, status: str, utilities: str | None, cut: int) -> str:
    """Cells of a showing: responses shown, verdict or why there is none, utilities."""
    alone = "," not in shown
    order = f"{shown} alone" if alone else shown.replace(",", ", ")
    if repeat:
        order += f" (repeat {repeat + 1})"
    if utilities is None:
        return f"<td>{order}<td>{status.replace('_', ' ')}<td>"
    values = json.loads(utilities)
    verdict = "a score" if alone else best_words(values)
    if cut:
        verdict += " on a part of the text"
    return f"<td>{order}<td>{verdict}<td>{numbers(values)}"


def best_words(utilities: Sequence[float]) -> str:
    """What has the highest utility: "response 1", or "tie: 0, 1"."""
    top = top_set(utilities)
    best = ", ".join(str(i) for i in range(len(utilities)) if top >> i & 1)
    return f"tie: {best}" if "," in best else f"response {best}"


def numbers(values: Sequence[float]) -> str:
    """Utilities in item order."""
    return ", ".join(f"{value:.4g}" for value in values)


def _usage(
    prompt: float | None,
    cached: float | None,
    completion: float | None,
    reasoning: float | None,
    latency: float | None,
    cost: float | None,
) -> str:
    parts = []
    if prompt is not None or completion is not None:
        halves = ("–" if half is None else f"{half:.0f}" for half in (prompt, completion))
        parts.append(f"{' + '.join(halves)} tokens")
    if cached:
        parts.append(f"{cached:.0f} cached")
    if reasoning:
        parts.append(f"{reasoning:.0f} reasoning")
    if latency is not None:
        parts.append(f"{latency:.3g} s")
    if cost is not None:
        parts.append(f"${cost:.3g}")
    return ", ".join(parts)
