"""Tokens, cost and speed of each judge: the table that depends on the clock and the prices."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.ledger import Ledger
from bench.stats import Estimate
from bench.stats.cost import Cost, cost
from bench.stats.latency import quantile
from bench.stats.pareto import pareto
from bench.types import JudgeCard, Usage
from reports.groups import cells
from reports.readings import Bools, Floats, Ints
from reports.study import Study

_FIELDS = [f.name for f in fields(Usage)]


def cost_table(ledger: Ledger, study: Study) -> pd.DataFrame:
    """One row per judge, over all tasks of the run. A judgment is one distinct trial that was
    answered, with a verdict or without; of a judge with `samples`, so many of them.

    `errors`: attempts that got no answer; what they cost is in `usd`. `latency`: of one call.
    `judgments_per_s`: answers over the wall time in which the judge worked, loading its model
    included; for a judge in this process no less than what its answers took when they were
    computed, since they may lie in a cache. A recording has no speed. Tokens: means over the
    judgments that have them. `usd_per_...`: retries included,
    unknown costs at the mean of the known ones, intervals by Fieller with prompts as clusters
    (latency: order statistics); `usd_per_correct`: of the judgments whose item has a score,
    divided by the scores.
    `on_frontier`: no judge of known cost is both cheaper and better, and `p_frontier` in what share
    of bootstrap resamples.
    """
    sessions: dict[str, list[tuple[float, int]]] = {}
    for judge, _, wall, verdicts, _ in ledger.sessions():
        sessions.setdefault(judge, []).append((wall, verdicts))
    rows = [_row(card, ledger, study, sessions.get(card.name, [])) for card in study.cards]
    table = pd.DataFrame(rows)
    table["on_frontier"], table["p_frontier"] = _frontier(study, usd_per_1000(table))
    return table


def _row(
    card: JudgeCard, ledger: Ledger, study: Study, sessions: list[tuple[float, int]]
) -> dict[str, object]:
    trials = ledger.usage(card.name)
    item = np.array([i for i, _, _ in trials], np.int64)
    status = np.array([s for _, s, _ in trials], np.str_)
    values = np.array([usage for _, _, usage in trials], float).reshape(-1, len(_FIELDS))
    answered = status != "error"
    column = dict(zip(_FIELDS, values[answered].T, strict=True))
    latency = column["latency_s"][~np.isnan(column["latency_s"])]
    usd = values[:, _FIELDS.index("cost_usd")]
    sessions = [] if card.kind == "replay" else sessions
    wall, given = sum(w for w, _ in sessions), sum(k for _, k in sessions)
    busy = wall if card.paid else max(wall, float(latency.sum()))
    k = card.samples
    return {
        "judge": card.name,
        "n_items": len(np.unique(item)),
        "n_prompts": len(np.unique(study.table.cluster[item])),
        "samples": k,
        "judgments": int(answered.sum()) // k,
        "valid": int((status == "ok").sum()) // k,
        "errors": int((~answered).sum()),
        "wall_s": wall if sessions else math.nan,
        "judgments_per_s": given / busy / k if sessions else math.nan,
        **cells({f"latency_p{100 * p:.0f}_s": _quantile(latency, p) for p in (0.5, 0.95)}),
        **{f"{name}_per_judgment": k * _mean(column[name]) for name in _FIELDS[:4]},
        "usd": math.nan if np.isnan(usd).all() else float(np.nansum(usd)),
        **cells(costs(study, card, item, status, usd)),
    }


def _quantile(latency: Floats, p: float) -> Estimate | None:
    return quantile(latency, p) if latency.size else None


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def costs(
    study: Study, card: JudgeCard, item: Ints, status: NDArray[np.str_], usd: Floats
) -> dict[str, Estimate | None]:
    """Cost of 1,000 judgments, items, valid verdicts, and of one right verdict."""
    names = ("per_1000", "per_1000_items", "per_1000_valid", "per_correct")
    if np.isnan(usd).all():
        return {f"usd_{name}": None for name in names}
    # What errors cost is carried by the judgments that were answered in the end.
    answered = status != "error"
    lost = float(np.nansum(usd[~answered])) / max(1, int(answered.sum()))
    paid, of = usd[answered] + lost, item[answered]
    ok, scores = status[answered] == "ok", study.scores[card.name][of]
    scored = ~np.isnan(scores)

    def found(rows: Bools) -> Cost:
        credit = np.nan_to_num(scores[rows])
        return cost(paid[rows], ok[rows], credit, of[rows], study.table.cluster[of[rows]])

    whole = found(np.ones(of.size, bool))
    k = card.samples
    estimates = (
        _times(k, whole.per_1000_judgments),
        whole.per_1000_items,
        _times(k, whole.per_1000_valid),
        _times(k, found(scored).per_correct) if scored.any() else None,
    )
    return {f"usd_{name}": e for name, e in zip(names, estimates, strict=True)}


def _times(k: int, e: Estimate) -> Estimate:
    """What k calls cost."""
    return replace(e, estimate=k * e.estimate, lo=k * e.lo, hi=k * e.hi, se=k * e.se)


def _frontier(study: Study, usd: dict[str, float]) -> tuple[list[bool | None], list[float]]:
    """On the frontier of cost and score, and how surely, in the order of the cards, on the items
    that every judge of known cost has a score for; None and NaN for the others."""
    nothing: tuple[list[bool | None], list[float]] = (
        [None] * len(study.cards),
        [math.nan] * len(study.cards),
    )
    if not usd:
        return nothing
    scores = np.array([study.scores[judge] for judge in usd])
    shared = ~np.isnan(scores).any(axis=0)
    if not shared.any():
        return nothing
    found = pareto(list(usd.values()), list(scores[:, shared]), study.table.cluster[shared])
    at = {judge: n for n, judge in enumerate(usd)}
    names = [card.name for card in study.cards]
    return (
        [bool(found.on[at[n]]) if n in at else None for n in names],
        [float(found.probability[at[n]]) if n in at else math.nan for n in names],
    )


def usd_per_1000(cost: pd.DataFrame) -> dict[str, float]:
    """Known cost of 1,000 judgments by judge, from the cost table."""
    known = cost.dropna(subset=["usd_per_1000"])
    return dict(zip(known.judge, known.usd_per_1000, strict=True))
