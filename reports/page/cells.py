"""The numbers of a page: how each is written, and what stands behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.printable import printable
from reports.short.short import counted

STATUS = {
    "ok_small": "little data: read the interval, not the number",
    "one_cluster": "one prompt: its error cannot be known",
    "degenerate": "the data leave the number or its error undefined",
    "insufficient": "too little data",
    "out_of_range": "does not exist for such data",
}
Key = tuple[str, str, str, str, str]
"""Task, scope, group, judge, metric."""


@dataclass(frozen=True)
class Number:
    """`text`, `ends`: as it is printed, with its interval. `value`: what it is sorted by, and drawn
    at with `lo` and `hi`; NaN where there is none. `facts`: what a reader may ask of it, in lines.
    """

    text: str
    ends: str = ""
    value: float = math.nan
    lo: float = math.nan
    hi: float = math.nan
    facts: tuple[str, ...] = ()


NOTHING = Number("–")
NOT_APPLICABLE = Number("n/a")


class Numbers:
    """All numbers of a page, each once; the page holds their places in the list.

    `estimates`: the table of that name, which has the method, counts and status of every one.
    """

    def __init__(self, estimates: pd.DataFrame) -> None:
        self._behind: dict[Key, Mapping[Any, Any]] = {}
        if len(estimates):
            names = ("task", "scope", "group", "judge", "metric")
            keys = zip(*(estimates[name] for name in names), strict=True)
            self._behind = dict(zip(keys, estimates.to_dict("records"), strict=True))
        self._place: dict[Number, int] = {}
        self._facts: dict[tuple[str, ...], int] = {}

    def place(self, number: Number) -> int:
        """Where the number is in `data`."""
        self._facts.setdefault(number.facts, len(self._facts))
        return self._place.setdefault(number, len(self._place))

    def data(self) -> dict[str, object]:
        """`numbers`: [text, ends, value, lo, hi, index of its facts]; `facts`: lists of lines."""
        numbers = [
            [n.text, n.ends, *map(rounded, (n.value, n.lo, n.hi)), self._facts[n.facts]]
            for n in self._place
        ]
        return {"numbers": numbers, "facts": [list(map(printable, f)) for f in self._facts]}

    def estimate(self, key: Key, style: Callable[[float], str], *more: str) -> Number:
        """An estimate as made; n/a where the metric does not apply. `more`: further facts."""
        row = self._behind.get(key)
        if row is None:
            return NOT_APPLICABLE
        value, lo, hi = row["estimate"], row["lo"], row["hi"]
        few = "*" if row["status"] == "ok_small" and not math.isnan(value) else ""
        ends = "" if math.isnan(lo) else f"[{style(lo)}, {style(hi)}]"
        return Number(style(value) + few, ends, value, lo, hi, (*_facts(row), *more))


def _facts(row: Mapping[Any, Any]) -> tuple[str, ...]:
    known = not math.isnan(row["lo"])
    missing = f", {row['n_missing']:,} missing" if row["n_missing"] else ""
    lines = (
        counts(row["n_items"], row["n_clusters"]) + missing,
        (f"{100 * row['level']:g} % interval; " if known else "") + f"method: {row['method']}",
        STATUS.get(row["status"], ""),
        row["note"],
    )
    return tuple(filter(None, lines))


def counts(items: int, prompts: int) -> str:
    """419 items, 418 prompts."""
    return f"{counted(items, 'item')}, {counted(prompts, 'prompt')}"


def rounded(value: float) -> float | None:
    """Six digits, which is more than a screen has points; None for what JSON has no number for."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def points(value: float) -> str:
    """+9.8: the same in points."""
    return "–" if math.isnan(value) else f"{100 * value + 0.0:+.1f}"


def dollars(value: float) -> str:
    """$0.0123: three digits, and cents from a dollar on."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞"
    size, sign = abs(value), "-" * (value < 0)
    digits = 2 if size >= 1 or size == 0 else 2 - math.floor(math.log10(size))
    units, _, rest = f"{size:,.{digits}f}".partition(".")
    return f"{sign}${units}.{rest[:2]}{rest[2:].rstrip('0')}"


def whole(value: float) -> str:
    """1,204."""
    return "–" if math.isnan(value) else f"{value:,.0f}"
