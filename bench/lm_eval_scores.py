"""Scores of a judge that was asked for one letter, as `smallclaims` gives them, for lm-eval.

`smallclaims export lm-eval` copies this file as it is beside the tasks that it writes, where
lm-eval imports it; it needs nothing else of smallclaims. A line of the data is one showing: an item
in one of its orders, with the words of the prompt. The model is asked for the probability of each
answer letter, written with and without a space before it; the likeliest letter is its verdict.

  mean        share of the showings in which the verdict is a vote's best response, by item
  strict      share of the items whose verdict is right in every order, vote by vote
  first_slot  share of the verdicts on pairs for what was shown first

An item's score is the mean over its votes that decide, a domain's the mean over its items, and the
group's the mean over its domains. A letter tied with others shares its credit with them.

What a stock lm-eval does otherwise than smallclaims: it cuts the beginning of a prompt that is
longer than the model reads, and says so; a special token that is spelt out in a response is a
special token to it. Its --limit may cut an item's orders: such an item does not count.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

SPELLINGS = ("{}", " {}")

Showing = dict[str, Any]
"""item: its id; orders: in how many it is shown; responses: how many; credits: in [0, 1], one per
deciding vote; first: the credit of the first slot, None without a verdict."""


def showings(data_file: str, **_: object) -> dict[str, Any]:
    """The rows of `data_file`, which lies in this folder, as the split `test`. (lm-eval gives the
    task's metadata, too.)"""
    from datasets import Dataset

    # Not by the loader of JSON files, which takes some texts for dates.
    lines = Path(__file__).with_name(data_file).read_text(encoding="ascii").splitlines()
    return {"test": Dataset.from_list([json.loads(line) for line in lines])}


def process_results(doc: dict[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """`results`: log-likelihood of each of the choices, which are all spellings of A, then of B,
    ..., and whether it is the likeliest text. Every metric gets the whole showing."""
    values = [value for value, _ in results]
    n = len(SPELLINGS)
    letters = [_log_sum(values[i : i + n]) for i in range(0, len(values), n)]
    top = max(letters)
    best = [slot for slot, value in enumerate(letters) if value == top and math.isfinite(top)]
    showing = {
        "item": doc["item"],
        "orders": doc["orders"],
        "responses": len(letters),
        "credits": [_average(vote[s] for s in best) if best else 0.0 for vote in doc["votes"]],
        "first": best.count(0) / len(best) if best else None,
    }
    return {"mean": showing, "strict": showing, "first_slot": showing}


def mean(seen: Sequence[Showing]) -> float:
    """Mean over the items of their credits in all orders; NaN without an item."""
    return _average(_average(c for s in item for c in s["credits"]) for item in _items(seen))


def strict(seen: Sequence[Showing]) -> float:
    """Mean over the items of the share of votes that every order agrees with; NaN without one."""
    votes = (zip(*(s["credits"] for s in item), strict=True) for item in _items(seen))
    return _average(_average(set(credits) == {1.0} for credits in vote) for vote in votes)


def first_slot(seen: Sequence[Showing]) -> float:
    """Share of the verdicts on pairs for what was shown first; NaN where there is no pair with a
    verdict in both orders."""
    shares = [[s["first"] for s in item] for item in _items(seen) if item[0]["responses"] == 2]
    return _average(share for both in shares if None not in both for share in both)


def _items(seen: Sequence[Showing]) -> list[list[Showing]]:
    """The showings item by item, without the items that were not shown in all their orders."""
    items: defaultdict[str, list[Showing]] = defaultdict(list)
    for showing in seen:
        items[showing["item"]].append(showing)
    return [item for item in items.values() if len(item) == item[0]["orders"]]


def _average(values: Iterable[float]) -> float:
    known = list(values)
    return math.fsum(known) / len(known) if known else math.nan


def _log_sum(values: Sequence[float]) -> float:
    """Logarithm of the sum of the exponentials."""
    top = max(values)
    if not math.isfinite(top):
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
