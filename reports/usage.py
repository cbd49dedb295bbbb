"""Tokens, cost and speed of each judge: the one table that depends on the clock and the prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pandas as pd

from bench.ledger import Ledger
from bench.types import JudgeCard, Usage

_FIELDS = [f.name for f in fields(Usage)]


def usage_table(ledger: Ledger, cards: Sequence[JudgeCard]) -> pd.DataFrame:
    """One row per judge. A judgment is one distinct trial; unknown is NaN, never zero.

    `judgments_per_s`: answers over the wall time in which the judge worked, loading its model
    included, over the sessions that ended in order; a recording has no speed. `usd_per_1000`: per
    1,000 judgments, failed ones included; `usd_per_1000_valid`: per 1,000 that hold a verdict.
    """
    sessions: dict[str, list[tuple[float, int]]] = {}
    for judge, _, wall, verdicts, _ in ledger.sessions():
        sessions.setdefault(judge, []).append((wall, verdicts))
    return pd.DataFrame([_row(card, ledger, sessions.get(card.name, [])) for card in cards])


def _row(card: JudgeCard, ledger: Ledger, sessions: list[tuple[float, int]]) -> dict[str, object]:
    trials = ledger.usage(card.name)
    values = np.array([usage for _, usage in trials], float).reshape(len(trials), len(_FIELDS))
    column = dict(zip(_FIELDS, values.T, strict=True))
    n, valid = len(trials), sum(status == "ok" for status, _ in trials)
    sessions = [] if card.kind == "replay" else sessions
    wall, answered = sum(w for w, _ in sessions), sum(k for _, k in sessions)
    cost = _total(column["cost_usd"])
    latency = column["latency_s"][~np.isnan(column["latency_s"])]
    p50, p95 = np.quantile(latency, [0.5, 0.95]) if len(latency) else (math.nan, math.nan)
    return {
        "judge": card.name,
        "judgments": n,
        "valid": valid,
        "wall_s": wall if sessions else math.nan,
        "judgments_per_s": answered / wall if wall else math.nan,
        "latency_p50_s": p50,
        "latency_p95_s": p95,
        **{f"{name}_per_judgment": _total(column[name]) / max(n, 1) for name in _FIELDS[:4]},
        "usd": cost,
        "usd_per_1000": 1000 * cost / n if n else math.nan,
        "usd_per_1000_valid": 1000 * cost / valid if valid else math.nan,
    }


def _total(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Sum of the known values; NaN where none is known."""
    known = values[~np.isnan(values)]
    return float(known.sum()) if len(known) else math.nan
