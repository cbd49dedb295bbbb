"""Numbers as every text form of a report writes them: .701 [.629, .764]; – where one is not known,
n/a where it does not apply."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from reports.readings import FAILURES

Row = Mapping[Any, Any]
"""A row of a table, by column."""


def number(value: float) -> str:
    """Three places, no nought before the point."""
    # Adding 0 takes the sign off what rounds to nothing.
    return "–" if math.isnan(value) else _bare(f"{round(value, 3) + 0.0:.3f}")


def signed(value: float) -> str:
    """The same with its sign, for differences."""
    return "–" if math.isnan(value) else _bare(f"{round(value, 3) + 0.0:+.3f}")


def _bare(digits: str) -> str:
    """0.25 and -0.25 without their nought; 10.25 keeps it."""
    return re.sub(r"^([+-]?)0\.", r"\1.", digits)


def amount(value: float) -> str:
    """Dollars, tokens, seconds: three figures, thousands apart."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if 0 < abs(value) < 0.001:
        return f"{float(f'{value:.3g}'):.10f}".rstrip("0")  # no exponent
    return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


def interval(row: Row, metric: str, write: Callable[[float], str] = number) -> str:
    """Estimate and interval of a wide table's metric; * where there is little data."""
    status = row.get(f"{metric}_status", "ok")
    if status == "not_applicable":
        return "n/a"
    if math.isnan(row[metric]):
        return "–"
    few = "*" if status == "ok_small" else ""
    ends = f"{write(row[f'{metric}_lo'])}, {write(row[f'{metric}_hi'])}"
    return f"{write(row[metric])}{few} [{'–' if math.isnan(row[f'{metric}_lo']) else ends}]"


def p_value(value: float) -> str:
    """A p, or q."""
    return "<.001" if value < 0.001 else number(value)


def rank(row: Row) -> str:
    """Between which places, and the letters: "1–3 ab"."""
    if pd.isna(row["rank"]):
        return "–"
    ends = dict.fromkeys((row["rank_lo"], row["rank_hi"]))
    return f"{'–'.join(map(str, ends))} {row['letters']}"


def bounds(row: Row) -> str:
    """The mean if all failures were wrong, and if all were right."""
    ends = row["mean_if_failures_wrong"], row["mean_if_failures_right"]
    return "n/a" if math.isnan(ends[0]) else "–".join(map(number, ends))


def rate(value: float) -> str:
    """Judgments a second."""
    return "–" if math.isnan(value) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def failures(row: Row) -> str:
    """Rates by status, those that are not zero, and of verdicts on a part of what was shown."""
    rates = {status: row[status] for status in (*FAILURES, "cut") if row[status] > 0}
    return ", ".join(f"{rate:.1%} {s.replace('_', ' ')}" for s, rate in rates.items()) or "0"


def failed(row: Row) -> str:
    """Share of the showings without a verdict, whatever the reason."""
    share = sum(row[status] for status in FAILURES)
    return f"{share:.1%}" if share else "0"


def kind_of(row: Row) -> str:
    """What a judge is, in a word or three: "null", "trained, 7B", "prompted, one order"."""
    size: str = "" if pd.isna(row["parameters"]) else f", {size_text(int(row['parameters']))}"
    return f"{row['nature']}{size}{', one order' if row['one_order'] else ''}"


def size_text(parameters: int) -> str:
    """135M for 134,515,008 weights."""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g}{letter}"
    return str(parameters)
