"""The result of every statistic: a number with its interval, counts, method and status."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Soundness = Literal["ok", "ok_small", "one_cluster", "degenerate", "insufficient", "out_of_range"]

SMALL_ITEMS = 30
SMALL_CLUSTERS = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number, and how far to trust it. What is undefined is NaN, never 0 or 1.

    `estimate`, `lo`, `hi`: in the statistic's own unit; `lo <= estimate <= hi` where all three are
    defined. `level`: of the two-sided interval, in (0, 1). `se`: standard error; NaN also where
    the data show no variation, because nothing is known to be exact. `method`: in words.
    `n_items`: rows that entered; `n_missing`: rows that could not. `n_clusters`: distinct
    prompts. `n_eff`: number of independent rows that would say as much. `df`: degrees of freedom
    of the critical value, infinite for the normal one. `note`: what a reader must know.

    `status`:
    ok; ok_small (few items, clusters or failures: read the interval, not the number);
    one_cluster (an estimate, and no way to know its error);
    degenerate (the data leave the number or its error undefined, such as kappa of a constant);
    insufficient (too little data); out_of_range (the quantity does not exist for such data).
    """

    estimate: float
    lo: float
    hi: float
    level: float
    se: float
    method: str
    n_items: int
    n_clusters: int
    n_missing: int
    n_eff: float
    df: float
    status: Soundness
    note: str = ""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an estimate stands on; its fields are those of `Estimate`."""

    method: str
    level: float
    n_items: int
    n_clusters: int
    n_missing: int = 0

    def undefined(self, status: Soundness, note: str, estimate: float = math.nan) -> Estimate:
        """No interval and, without `estimate`, no number either."""
        nan = math.nan
        return self.estimate(
            estimate, (nan, nan), se=nan, n_eff=nan, df=nan, status=status, note=note
        )

    def estimate(
        self,
        value: float,
        interval: tuple[float, float],
        *,
        se: float,
        n_eff: float,
        df: float,
        status: Soundness | None = None,
        note: str = "",
    ) -> Estimate:
        """A number with its interval. `status`: by default ok, or ok_small below 30 items or 20
        clusters."""
        small = self.n_items < SMALL_ITEMS or self.n_clusters < SMALL_CLUSTERS
        return Estimate(
            estimate=value,
            lo=interval[0],
            hi=interval[1],
            level=self.level,
            se=se,
            method=self.method,
            n_items=self.n_items,
            n_clusters=self.n_clusters,
            n_missing=self.n_missing,
            n_eff=n_eff,
            df=df,
            status=status or ("ok_small" if small else "ok"),
            note=note,
        )
