"""Rows of a set that make no item: counted by reason, and told in the card once all are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bench.types import TaskCard


def told(card: TaskCard, traps: tuple[str, ...], left_out: Mapping[str, int]) -> TaskCard:
    """`card` with `traps` and one more for each reason. `left_out`: reason -> rows."""
    counts = [f"Rows left out, {reason}: {rows:,}." for reason, rows in sorted(left_out.items())]
    return replace(card, traps=(*traps, *counts))
