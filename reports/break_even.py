"""From how many judgments on a trained judge has paid for what it took to get it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.stats import Basis, Estimate
from bench.stats.cost import break_even
from bench.types import JudgeCard
from reports.groups import cells
from reports.study import nature

FIXED_USD = 1_000.0
COLUMNS = ("small", "large", "usd_per_1000_small", "usd_per_1000_large", "saving", "fixed_usd")


def break_even_table(cards: Sequence[JudgeCard], cost: pd.DataFrame) -> pd.DataFrame:
    """One row per trained and prompted judge that both have a known cost: over all tasks of the
    run, as the table `cost`, and like it dependent on the clock and the prices.

    `saving`: USD per 1,000 judgments. `volume`: judgments after which `fixed_usd` spent on labels,
    training and engineering are saved; infinite where the trained judge costs no less. What it
    really took is not known here, and the volume grows in proportion with it. `cost`: as
    `cost_table` makes it.
    """
    priced = {
        str(row["judge"]): row
        for row in cost.to_dict("records")
        if not math.isnan(row["usd_per_1000"])
    }
    sides = {
        side: [c.name for c in cards if nature(c) == side and c.name in priced]
        for side in ("trained", "prompted")
    }
    rows = []
    for small in sides["trained"]:
        for large in sides["prompted"]:
            local, api = (_per_1000(priced[judge]) for judge in (small, large))
            saving = api.estimate - local.estimate
            values = (small, large, local.estimate, api.estimate, saving, FIXED_USD)
            head = dict(zip(COLUMNS, values, strict=True))
            rows.append({**head, **cells({"volume": break_even(FIXED_USD, api, local)})})
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells({"volume": None})])


def _per_1000(row: Mapping[Any, Any]) -> Estimate:
    """A row of the cost table as the estimate that it shows."""
    interval = row["usd_per_1000_lo"], row["usd_per_1000_hi"]
    basis = Basis("from the table cost", 0.95, row["judgments"], row["n_prompts"])
    nan = math.nan
    return basis.estimate(row["usd_per_1000"], interval, se=nan, n_eff=nan, df=nan)
