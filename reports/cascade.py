"""What a cascade of two judges of a run would do: cost against accuracy, from the ledger alone.

The small judge always runs; items whose margin (best less second-best utility, averaged over the
orders shown; none without a verdict in each) is below the threshold go to the large one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from statistics import fmean

import numpy as np
import pandas as pd

from bench.ledger import Ledger
from bench.stats.cascade import cascade
from bench.types import JudgeCard
from reports.groups import Group, cells
from reports.readings import LOST, Floats
from reports.study import Study

RATES = tuple(k / 10 for k in range(11))
NO_VERDICT = -1.0
COLUMNS = (
    "task",
    "scope",
    "group",
    "small",
    "large",
    "n_items",
    "n_prompts",
    "threshold",
    "deferral",
    "usd_per_1000_items",
    *cells({"accuracy": None}),
    "random",
    "oracle",
    *cells({"gain": None}),
    "oracle_gain",
    "note",
)


def cascade_table(
    ledger: Ledger, study: Study, small: str, large: str, usd: Mapping[str, float]
) -> pd.DataFrame:
    """One row per group (all of a task's items alike, each domain) and point of the curve: the
    greatest threshold that hands over no more than 0, 10, .. 100 % of the group's items. The first
    and the last are the two judges alone. Only items that both have a score for count.

    `usd`: known cost of 1,000 items by judge. Where one is not, the sum is unknown, but for a judge
    that runs here beside one with a price: it counts as nothing, and the note says so.
    `accuracy`: mean score (rule mean, failures wrong). `random`, `oracle`: of as many items handed
    over at random, and of those that gain most. `gain`: area over random routing, of the whole
    curve, with its interval; `oracle_gain`: the most it could be. The thresholds are quantiles of
    these items and know no label; one that is chosen for its accuracy here flatters.
    """
    cards = {card.name: card for card in study.cards}
    usd = {
        judge: usd[judge] for judge in (small, large) if not math.isnan(usd.get(judge, math.nan))
    }
    margins = margins_of(ledger, cards[small], len(study.table.items))
    prices = [_price(cards[judge], usd) for judge in (small, large)] if usd else [math.nan] * 2
    rows: list[dict[str, object]] = []
    for group in study.groups:
        if group.scope in ("pooled", "domain"):
            rows += _curve(study, group, small, large, margins, prices)
    unpriced = [judge for judge in (small, large) if judge not in usd]
    note = f"the cost of {' and '.join(unpriced)} is not known" if unpriced else ""
    return pd.DataFrame([{**row, "note": note} for row in rows], columns=list(COLUMNS))


def _price(card: JudgeCard, usd: Mapping[str, float]) -> float:
    return usd.get(card.name, math.nan if card.paid else 0.0)


def margins_of(ledger: Ledger, card: JudgeCard, n_items: int) -> Floats:
    """(items,) margin of the judge of that card, samples and repeats averaged; `NO_VERDICT` where
    an order has no verdict, NaN where the judge was not asked, or owes an answer."""
    said: list[dict[tuple[str, int], list[list[float]]]] = [{} for _ in range(n_items)]
    owed = np.zeros(n_items, bool)
    for item, shown, repeat, status, utilities, _, _ in ledger.showings(card.name):
        given = said[item].setdefault((shown, repeat // card.samples), [])
        if status == "ok":
            given.append(json.loads(utilities))
        owed[item] |= status in LOST
    found = np.array([_margin(showings) for showings in said])
    return np.where(owed, math.nan, found)


def _margin(said: Mapping[tuple[str, int], list[list[float]]]) -> float:
    """Of one item: utilities of the samples with a verdict, by order shown and repeat."""
    if not all(said.values()):
        return NO_VERDICT
    of_response: dict[int, list[float]] = {}
    for (shown, _), samples in said.items():
        indices = sorted(map(int, shown.split(",")))
        for index, values in zip(indices, zip(*samples, strict=True), strict=True):
            of_response.setdefault(index, []).append(fmean(values))
    means = sorted(map(fmean, of_response.values()), reverse=True)
    return means[0] - means[1] if means else math.nan


def _curve(
    study: Study, group: Group, small: str, large: str, margins: Floats, prices: list[float]
) -> list[dict[str, object]]:
    cheap, strong = study.scores[small], study.scores[large]
    kept = group.items & ~np.isnan(cheap) & ~np.isnan(strong) & ~np.isnan(margins)
    if not kept.any():
        return []
    values, ranks = np.unique(margins[kept], return_inverse=True)
    at = np.sort(ranks)
    n = at.size
    # Ranks, since a confidence is between 0 and 1 and margins have any unit.
    chosen = [int(at[k]) if (k := int(rate * n + 1e-9)) < n else values.size for rate in RATES]
    chosen = list(dict.fromkeys(chosen))
    clusters = study.table.cluster[kept]
    curve = cascade(
        ranks / values.size,
        cheap[kept],
        strong[kept],
        clusters,
        [rank / values.size for rank in chosen],
        cheap_cost=np.nan_to_num(prices[0]),
        strong_cost=np.nan_to_num(prices[1]),
    )
    thresholds = [*values.tolist(), math.inf]
    return [
        {
            **group.key,
            "small": small,
            "large": large,
            "n_items": n,
            "n_prompts": len(np.unique(clusters)),
            "threshold": thresholds[rank],
            "deferral": point.deferral,
            "usd_per_1000_items": point.cost if not any(map(math.isnan, prices)) else math.nan,
            **cells({"accuracy": point.accuracy}),
            "random": point.random,
            "oracle": point.oracle,
            **cells({"gain": curve.gain}),
            "oracle_gain": curve.oracle_gain,
        }
        for rank, point in zip(chosen, curve.points, strict=True)
    ]
