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
    """One row per judge. A judgment is one distinct trial that was answered; what is unknown is NaN
    and counts neither above nor below the line of a mean.

    `errors`: attempts that got no answer; what they cost is in `usd`. `judgments_per_s`: answers
    over the wall time in which the judge worked, loading its model included; for a judge in this
    process no less than what its answers took when they were computed, since they may lie in a
    cache. A recording has no speed. `usd_per_1000`: per 1,000 judgments of known cost, failed
    ones included; `usd_per_1000_valid`: per 1,000 of them that hold a verdict.
    """
    sessions: dict[str, list[tuple[float, int]]] = {}
    for judge, _, wall, verdicts, _ in ledger.sessions():
        sessions.setdefault(judge, []).append((wall, verdicts))
    return pd.DataFrame([_row(card, ledger, sessions.get(card.name, [])) for card in cards])


def _row(card: JudgeCard, ledger: Ledger, sessions: list[tuple[float, int]]) -> dict[str, object]:
    trials = ledger.usage(card.name)
    answered = [(status, usage) for status, usage in trials if status != "error"]
    values = np.array([usage for _, usage in answered], float).reshape(-1, len(_FIELDS))
    column = {name: x[~np.isnan(x)] for name, x in zip(_FIELDS, values.T, strict=True)}
    cost_at = _FIELDS.index("cost_usd")
    known_cost = [status for status, usage in answered if usage[cost_at] is not None]
    usd = [cost for _, usage in trials if (cost := usage[cost_at]) is not None]
    sessions = [] if card.kind == "replay" else sessions
    wall, given = sum(w for w, _ in sessions), sum(k for _, k in sessions)
    latency = column["latency_s"]
    busy = wall if card.paid else max(wall, float(latency.sum()))
    p50, p95 = np.quantile(latency, [0.5, 0.95]) if len(latency) else (math.nan, math.nan)
    return {
        "judge": card.name,
        "judgments": len(answered),
        "valid": sum(status == "ok" for status, _ in answered),
        "errors": len(trials) - len(answered),
        "wall_s": wall if sessions else math.nan,
        "judgments_per_s": given / busy if sessions else math.nan,
        "latency_p50_s": p50,
        "latency_p95_s": p95,
        **{
            f"{name}_per_judgment": column[name].mean() if len(column[name]) else math.nan
            for name in _FIELDS[:4]
        },
        "usd": math.fsum(usd) if usd else math.nan,
        "usd_per_1000": _per_1000(usd, len(known_cost)),
        "usd_per_1000_valid": _per_1000(usd, known_cost.count("ok")),
    }


def _per_1000(usd: list[float], n: int) -> float:
    return 1000 * math.fsum(usd) / n if usd and n else math.nan
